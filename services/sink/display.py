"""The displays of the sink's overlay: a window, or an annotated video.

Files in the session folder show no more than its recording. If that is blurred, the video's frames
go through the same `Anonymizer`, the video has no sound, because voices identify people as well,
and snapshots contain only numbers. A window shows the camera's frames to the people in front of it,
and keeps nothing.
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
        """Handle the start of a stream."""

    def end(self, end: StreamEnd) -> None:
        """Handle the end of a stream; some of its results may still follow."""

    def add_frame(self, packet: Packet) -> None:
        """Add a frame; its result will follow."""

    def add_result(self, emotion: Emotion) -> None:
        """Add a frame's result; results come in order."""

    def refresh(self) -> Iterable[Packet]:
        """Show the newest results; yield the messages that the user's keys have caused."""

    def close(self) -> None:
        """Close the window or the files."""


class BlurredDisplay:
    """Shows frames with pixelated faces, once it is known where these are.

    Args:
        display: The display that shows them.
        context: Context of the process.
        limits: What the detector may miss.
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
        """Pass on what may be shown now; the rest follows with later calls."""
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
        kind: Which of the two to open.
        folder: The session folder.
        context: Context of the process.
        privacy: What may be kept in the folder.
        about: What is known about the session, with its settings.
        stats: Whether to show the pipeline's rate and latency.
        streams: Expected streams, as far as they are known.

    Raises:
        AffectlineError: There is no screen.
    """
    if kind == "mp4":
        # Never beside a window: PyAV and OpenCV's Qt load different X libraries, and hang
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
