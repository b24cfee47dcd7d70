"""Runs trainings in parallel, each in its own process; TensorFlow is imported only there."""

import json
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from affectline.common.errors import AffectlineError
from affectline.training.silence_output import silence_output

if TYPE_CHECKING:
    from affectline.training.reproduce.data import ReproductionData
    from affectline.training.reproduce.grid import RunConfig

COMMAND: Final = (sys.executable, "-P", "-m", "affectline.training.reproduce.parallel_runs")
EPOCH: Final = b"\n"
"""What a process writes after each epoch; anything else is an error, as a line of JSON."""
FIX: Final = (
    "free some memory if that was the cause; the same command resumes where this one stopped"
)


def run_in_parallel(
    runs: Sequence["RunConfig"], data: "ReproductionData", work: Path, processes: int
) -> Generator[tuple["RunConfig", int]]:
    """Train runs in order, up to ``processes`` at once; never two of the same name.

    When this generator ends, it kills the processes. If this process is killed, they notice after
    an epoch; their checkpoints are then at most a minute old.

    Yields:
        A run, and how many epochs it has finished since the last time; 0 when it has ended.

    Raises:
        AffectlineError: One of them failed, or was killed.
    """
    waiting = list(runs)
    running: dict[str, _TrainingProcess] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                for run in _startable(waiting, set(running), max(1, processes) - len(running)):
                    waiting.remove(run)
                    process = running[run.name] = _TrainingProcess(run, data, work)
                    selector.register(process.output, selectors.EVENT_READ, process)
                for key, _ in selector.select():
                    process = key.data
                    epochs = process.read_epochs()
                    if not epochs:
                        selector.unregister(process.output)
                        del running[process.run.name]
                        process.wait()
                    yield process.run, epochs
        finally:
            for process in running.values():
                process.kill()


def _startable(waiting: Sequence["RunConfig"], busy: set[str], room: int) -> list["RunConfig"]:
    """The first runs that may start."""
    found: dict[str, RunConfig] = {}
    for run in waiting:
        if run.name not in busy:
            found.setdefault(run.name, run)
    return list(found.values())[:room]


class _TrainingProcess:
    """A process that trains one run."""

    def __init__(self, run: "RunConfig", data: "ReproductionData", work: Path) -> None:
        self.run = run
        self._message = b""
        with (
            tempfile.TemporaryFile() as task
        ):  # a file, because a pipe would block until the process reads it
            pickle.dump((run, data, work), task)
            task.seek(0)
            self._process = subprocess.Popen(
                COMMAND,
                stdin=task,
                stdout=subprocess.PIPE,
                start_new_session=True,  # only the parent process handles Ctrl-C
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
            )
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._stdout = self._process.stdout
        self.output = self._stdout.fileno()

    def read_epochs(self) -> int:
        """Read its output: the epochs finished since the last call, or 0 if it has ended."""
        while output := os.read(self.output, 4096):
            self._message += output.replace(EPOCH, b"")
            if epochs := output.count(EPOCH):
                return epochs
        return 0

    def wait(self) -> None:
        """Wait for the process, which has closed its output.

        Raises:
            AffectlineError: It failed, or was killed.
        """
        self._stdout.close()
        if code := self._process.wait():
            if self._message:
                raise AffectlineError(*json.loads(self._message))
            raise AffectlineError(
                f"the process that trains {self.run.name} ended (exit code {code})", FIX
            )

    def kill(self) -> None:
        """Kill the process; its last checkpoint is kept."""
        self._process.kill()
        self._stdout.close()
        self._process.wait()


def main() -> int:
    """Train the run that is read from stdin; returns the exit code."""
    output = os.dup(1)
    os.dup2(2, 1)  # so that what libraries print is not read as our output
    with silence_output():
        run, data, work = pickle.load(sys.stdin.buffer)  # noqa: S301 - from `_TrainingProcess`
        from affectline.training.fit.paper_head_loop import use_one_thread
        from affectline.training.reproduce.checkpoint import load
        from affectline.training.reproduce.single_run import train_run

    use_one_thread()
    try:
        checkpoint, _ = load(work / run.name, {**run.identity, **data.identity})
        train_run(run, checkpoint, data, work, lambda: os.write(output, EPOCH))
    except BrokenPipeError:
        return 1  # the parent process is gone
    except AffectlineError as error:
        os.write(output, json.dumps([error.problem, error.fix]).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
