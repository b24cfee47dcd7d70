"""Trainings side by side, each in a process of its own; free of TensorFlow until one begins."""

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
    from affectline.training.reproduce.grid import RunConfig
    from affectline.training.reproduce.trainings import ReproductionData

COMMAND: Final = (sys.executable, "-P", "-m", "affectline.training.reproduce.parallel_runs")
EPOCH: Final = b"\n"
"""What a process says after each epoch; what else it says is an error, as JSON in one line."""
REMEDY: Final = "make room in memory if it was that; the same command goes on where this one was"


def side_by_side(
    trials: Sequence["RunConfig"], material: "ReproductionData", work: Path, processes: int
) -> Generator[tuple["RunConfig", int]]:
    """Run trials in their order, so many at once (at least one); never two of one name.

    Whatever ends this ends the processes too; when it is killed they notice after an epoch. Their
    checkpoints are at most a minute old then.

    Yields:
        A trial, and how many epochs it has come on; 0 when it has ended.

    Raises:
        AffectlineError: One of them failed, or was killed.
    """
    waiting = list(trials)
    running: dict[str, _TrainingProcess] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                for trial in _next(waiting, set(running), max(1, processes) - len(running)):
                    waiting.remove(trial)
                    process = running[trial.name] = _TrainingProcess(trial, material, work)
                    selector.register(process.output, selectors.EVENT_READ, process)
                for key, _ in selector.select():
                    process = key.data
                    epochs = process.listen()
                    if not epochs:
                        selector.unregister(process.output)
                        del running[process.trial.name]
                        process.end()
                    yield process.trial, epochs
        finally:
            for process in running.values():
                process.kill()


def _next(waiting: Sequence["RunConfig"], busy: set[str], room: int) -> list["RunConfig"]:
    """The first trials that may begin."""
    found: dict[str, RunConfig] = {}
    for trial in waiting:
        if trial.name not in busy:
            found.setdefault(trial.name, trial)
    return list(found.values())[:room]


class _TrainingProcess:
    """One trial at work."""

    def __init__(self, trial: "RunConfig", material: "ReproductionData", work: Path) -> None:
        self.trial = trial
        self._said = b""
        with tempfile.TemporaryFile() as given:  # it may read as late as it likes
            pickle.dump((trial, material, work), given)
            given.seek(0)
            self._process = subprocess.Popen(
                COMMAND,
                stdin=given,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the one that started it
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
            )
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._stdout = self._process.stdout
        self.output = self._stdout.fileno()

    def listen(self) -> int:
        """Hear what it says; how many epochs it has come on, 0 at its end."""
        while heard := os.read(self.output, 4096):
            self._said += heard.replace(EPOCH, b"")
            if epochs := heard.count(EPOCH):
                return epochs
        return 0

    def end(self) -> None:
        """Wait for the process, which has said its last word.

        Raises:
            AffectlineError: It failed, or was killed.
        """
        self._stdout.close()
        if code := self._process.wait():
            if self._said:
                raise AffectlineError(*json.loads(self._said))
            raise AffectlineError(
                f"the process of the training {self.trial.name} ended (exit code {code})", REMEDY
            )

    def kill(self) -> None:
        """Do not let it go on; its last checkpoint stays."""
        self._process.kill()
        self._stdout.close()
        self._process.wait()


def main() -> int:
    """Be the process of one trial: what to do comes on stdin."""
    told = os.dup(1)
    os.dup2(2, 1)  # nobody else's words are taken for ours
    with silence_output():
        trial, material, work = pickle.load(sys.stdin.buffer)  # noqa: S301 - from `_TrainingProcess`
        from affectline.training.fit.checkpoint import load
        from affectline.training.fit.paper_head_loop import use_one_thread
        from affectline.training.reproduce.trainings import run

    use_one_thread()
    try:
        at, _ = load(work / trial.name, {**trial.identity, **material.identity})
        run(trial, at, material, work, lambda: os.write(told, EPOCH))
    except BrokenPipeError:
        return 1  # nobody waits for it any more
    except AffectlineError as error:
        os.write(told, json.dumps([error.problem, error.remedy]).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
