"""Where the sink shows the overlay: in a window, or in an annotated video.

What is kept in the session folder shows no more than its recording: where that is blurred, the
video's frames go through the same `Anonymizer`, it has no sound, for voices are known, too, and
snapshots keep the numbers alone. A window
shows what a camera shows to whoever stands before it, and keeps nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from affectline.common.clock import monotonic_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.pipeline import Display as Kind
from affectline.common.settings.recording import Privacy
from affectline.common.vision.anonymize import Anonymizer, DetectorLimits
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamEnd, StreamStart
from affectline.services.sink.screen import display_problem
from affectline.services.sink.window import WindowDisplay


class Display(Protocol):
    """Shows frames with their results."""

    closed: bool

    def begin(self, start: StreamStart) -> None:
        """A stream begins."""

    def end(self, end: StreamEnd) -> None:
        """A stream ends; some of its results may still follow."""

    def add_frame(self, packet: Packet) -> None:
        """Add a frame, whose result will follow."""

    def add_result(self, emotion: Emotion) -> None:
        """Add a frame's result; results come in order."""

    def refresh(self) -> Iterable[Packet]:
        """Show the newest results; yield what the user's keys have caused."""

    def close(self) -> None:
        """Close the window or the files."""


class BlurredDisplay:
    """Shows frames with their faces pixelated, when it is known where these are.

    Args:
        display: Where they are shown.
        context: Of the process.
        limits: What the detector may leave out.
    """

    closed = False

    def __init__(self, display: Display, context: StageContext, limits: DetectorLimits) -> None:
        self._display, self._context = display, context
        self._anonymizer = Anonymizer(context.delivery, limits, as_raw=True)

    def begin(self, start: StreamStart) -> None:
        self._display.begin(start)

    def end(self, end: StreamEnd) -> None:
        self._anonymizer.add(Packet(end), 0, monotonic_ns())

    def add_frame(self, packet: Packet) -> None:
        self._anonymizer.add(packet, 0, monotonic_ns())
        self._show()

    def add_result(self, emotion: Emotion) -> None:
        self._anonymizer.add(Packet(emotion), 0, monotonic_ns())
        self._show()

    def refresh(self) -> Iterable[Packet]:
        self._show()
        return self._display.refresh()

    def close(self) -> None:
        try:
            self._show(flush=True)
        finally:
            self._display.close()

    def _show(self, *, flush: bool = False) -> None:
        """Pass on what may be shown; the rest with the next call."""
        for packet, _ in self._anonymizer.pop_ready(monotonic_ns(), flush=flush):
            match packet.message:
                case Frame():
                    self._display.add_frame(packet)
                case Emotion() as emotion:
                    self._display.add_result(emotion)
                case StreamEnd() as end:
                    self._display.end(end)
        self._context.counters["blurred_wholly"] = self._anonymizer.without_result
        if self._anonymizer.is_ready(monotonic_ns()):
            self._context.wake()


def open_display(
    kind: Kind,
    folder: Path,
    context: StageContext,
    privacy: Privacy = "everything",
    about: Mapping[str, Any] | None = None,
    *,
    stats: bool = False,
    streams: Sequence[str] = (),
) -> Display:
    """Open a window or an MP4 writer.

    Args:
        kind: Which of the two.
        folder: The session folder.
        context: Of the process.
        privacy: What may be kept in the folder.
        about: What is known of the session, with its settings.
        stats: Show the pipeline's rate and latency.
        streams: Those that will come, as far as it is known.

    Raises:
        AffectlineError: There is no screen.
    """
    if kind == "mp4":
        # Not beside a window: PyAV and OpenCV's Qt bring different libraries of X, and hang
        from affectline.services.overlay.video_writer import AnnotatedVideoWriter

        video = AnnotatedVideoWriter(folder, stats=stats, sound=privacy == "everything")
        if privacy == "everything":
            return video
        return BlurredDisplay(video, context, DetectorLimits.of(about or {}))
    problem = display_problem()
    if problem:
        raise AffectlineError(
            f"--display window: {problem}",
            "log in to a desktop, use ssh -X, or write a video with --display mp4",
        )
    return WindowDisplay(
        folder, context, keeps_pictures=privacy == "everything", stats=stats, streams=streams
    )
