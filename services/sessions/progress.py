"""Progress of an analysis, ``280/472 · 0:04 left``, in terminals and notebooks."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from affectline.common.wire.messages import Emotion, Packet, StreamStart

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


NOTEBOOK_S: Final = 0.25
"""Seconds between two updates of a notebook."""


def can_be_watched() -> bool:
    """Whether a progress bar would be visible: in a terminal or a notebook."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


def format_left(seconds: float | None) -> str:
    """The time left: ``0:04 left``, ``1:02:03 left``; empty if unknown."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{clock} left"


def expected_frames(start: StreamStart) -> int | None:
    """How many frames a stream will have, if its source tells."""
    return start.frames or round((start.duration_s or 0) * (start.rate or 0)) or None


@contextmanager
def new_progress(
    console: "Console | None" = None, *, disable: bool = False
) -> Iterator["Progress"]:
    """Progress bars with counts and the time left; they disappear afterwards.

    In a notebook they are a text below the cell, which stays: rich's own bars need ipywidgets.

    Args:
        console: Where to show them; None: on standard error, or in the notebook.
        disable: Show no bars.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            total = "" if task.total is None else f"/{task.total:.0f}"
            left = format_left(task.time_remaining)
            return Text(f"{task.completed:.0f}{total}" + (f" · {left}" if left else ""))

    class NotebookProgress(Progress):
        """Shows its bars as a text that is updated."""

        def __init__(self, *columns: ProgressColumn) -> None:
            from IPython.display import display

            super().__init__(*columns, disable=True)
            show: Any = display  # it has no types
            self._text = show({"text/plain": ""}, raw=True, display_id=True)
            self._next = 0.0

        def update(self, *args: Any, **fields: Any) -> None:
            super().update(*args, **fields)
            if time.monotonic() >= self._next:
                self.show()

        def show(self) -> None:
            plain = Console(file=io.StringIO(), width=80, color_system=None, force_jupyter=False)
            with plain.capture() as text:
                plain.print(self.get_renderable())
            self._text.update({"text/plain": text.get().rstrip()}, raw=True)
            self._next = time.monotonic() + NOTEBOOK_S

    columns = (TextColumn("{task.description:<12}"), BarColumn(), Count())
    shown = console or Console(stderr=True)
    if shown.is_jupyter and not disable:
        notebook = NotebookProgress(*columns)
        yield notebook
        notebook.show()
        return
    with Progress(*columns, console=shown, transient=True, disable=disable) as progress:
        yield progress


class FrameBars:
    """A progress bar for each stream of a run, updated by its messages."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def on_message(self, packet: Packet) -> None:
        """Update the bar of the message's stream."""
        match packet.message:
            case StreamStart() as start:
                total = expected_frames(start)
                bar = self._progress.add_task(start.stream, total=total)
                self._bars.setdefault(start.stream, bar)
            case Emotion() as emotion if emotion.stream in self._bars:
                self._progress.update(self._bars[emotion.stream], completed=emotion.seq + 1)
