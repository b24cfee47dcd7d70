"""A run of a pipeline as its user sees it: a progress bar, then a table of results."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from affectline.common import file_access
from affectline.common.errors import AffectlineError
from affectline.common.logs import terminal
from affectline.common.runtime.keyboard import Keyboard
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.services.sessions.progress import expected_frames, new_progress
from affectline.services.supervisor.forking import ForkServer
from affectline.services.supervisor.process import ProcessSpec
from affectline.services.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EXIT_INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C interrupted."""


def run_pipeline(
    settings: PipelineSettings,
    *,
    as_json: bool,
    processes: list[ProcessSpec] | None = None,
    keys_help: str = "",
    trace: Path | None = None,
    fork_server: ForkServer | None = None,
) -> int:
    """Run a pipeline and print its results; return the exit code.

    Args:
        settings: Complete settings, with sources, delivery, pace and session folder.
        as_json: Print the summary as one JSON object.
        processes: The processes, where they differ from those of ``up``; without a sink among them
            there is no summary.
        keys_help: What the keys do, printed at the beginning if standard input is a terminal;
            without it no keys are read.
        trace: Folder for the parts of a trace; None: none is recorded.
        fork_server: Forks the processes; None: a new one.

    Raises:
        AffectlineError: It failed.
    """
    started = time.monotonic()
    file_access.restrict(group=settings.sink.group_access)
    folder = settings.sink.out or Path()
    told: list[bool] = []
    """Whether the reported results had faults."""

    def print_results() -> bool:
        from affectline.services.cli.run_results import tell_results

        seconds, first_s = observer.elapsed_s, observer.first_emotion_s
        return tell_results(folder, seconds, first_s, supervisor.restarts, as_json=as_json)

    def on_over() -> None:
        if observer.progress:
            observer.progress.stop()
        told.append(print_results())
        terminal().print("The page stays open until you close it or press Ctrl-C.", highlight=False)

    with ExitStack() as stack:
        observer = RunProgress(started)
        if sys.stderr.isatty():
            observer.progress = stack.enter_context(new_progress(terminal()))
        keys = stack.enter_context(Keyboard()) if keys_help and Keyboard.is_available() else None
        if keys:
            terminal().print(keys_help, highlight=False)
        supervisor = Supervisor(
            settings,
            quiet=as_json,
            observe=observer.on_message,
            processes=processes,
            keyboard=keys,
            on_over=on_over,
            trace=trace,
            fork_server=fork_server,
        )
        try:
            supervisor.run()
        except AffectlineError:
            if settings.sink.out:
                from affectline.services.cli.run_results import remove_if_empty

                remove_if_empty(folder)
            raise
    written = settings.sink.out is not None and (folder / "session.json").exists()
    if not written and (supervisor.interrupted or settings.sink.out is None):
        return EXIT_INTERRUPTED if supervisor.interrupted else 0  # nothing was written
    has_faults = told[0] if told else print_results()
    if supervisor.interrupted:
        return EXIT_INTERRUPTED
    return 1 if has_faults else 0


class RunProgress:
    """Shows the progress of a run, from the messages that it publishes.

    Args:
        started: When the run was started, in s of the monotonic clock.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self.first_emotion_s: float | None = None
        """Time from the start to the first emotion, in s."""
        self.progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._totals: dict[str, int | None] = {}

    @property
    def elapsed_s(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def on_message(self, packet: Packet) -> None:
        """Update the progress from a message."""
        match packet.message:
            case StreamStart() as start:
                self._totals[start.stream] = expected_frames(start)
            case Emotion() as emotion:
                if self.first_emotion_s is None:
                    self.first_emotion_s = round(time.monotonic() - self._started, 3)
                if self.progress:
                    self._advance(self.progress, emotion)

    def _advance(self, progress: "Progress", emotion: Emotion) -> None:
        if emotion.stream not in self._bars:
            total = self._totals.get(emotion.stream)
            self._bars[emotion.stream] = progress.add_task(emotion.stream, total=total)
        label = emotion.faces[0].label if emotion.faces else "no face"
        progress.update(
            self._bars[emotion.stream],
            completed=emotion.seq + 1,
            description=f"{emotion.stream}  {label or ''}",
        )
