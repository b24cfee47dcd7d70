"""Where the sink shows the overlay: in a window, or in an annotated video."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from affectline.common.errors import AffectlineError
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.pipeline import Display as Kind
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.services.sink.window import WindowDisplay, display_problem


class Display(Protocol):
    """Shows frames with their results."""

    closed: bool

    def begin(self, start: StreamStart) -> None:
        """A stream begins."""

    def add_frame(self, packet: Packet) -> None:
        """Add a frame, whose result will follow."""

    def add_result(self, emotion: Emotion) -> None:
        """Add a frame's result; results come in order."""

    def refresh(self) -> Iterable[Packet]:
        """Show the newest results; yield what the user's keys have caused."""

    def close(self) -> None:
        """Close the window or the files."""


def open_display(kind: Kind, folder: Path, context: StageContext) -> Display:
    """Open a window or an MP4 writer.

    Raises:
        AffectlineError: There is no screen.
    """
    if kind == "mp4":
        # Not beside a window: PyAV and OpenCV's Qt bring different libraries of X, and hang
        from affectline.services.overlay.video_writer import AnnotatedVideoWriter

        return AnnotatedVideoWriter(folder)
    problem = display_problem()
    if problem:
        raise AffectlineError(
            f"--display window: {problem}",
            "log in to a desktop, use ssh -X, or write a video with --display mp4",
        )
    return WindowDisplay(folder, context)
