"""Pairs frames with their results and draws them."""

from collections import OrderedDict, deque
from pathlib import PurePosixPath
from typing import Final

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.overlay.drawing import Heading, Image, Places, draw

MAX_FRAMES: Final = 64
"""How many frames of a stream may wait for results; lossless delivery has at most 16 in flight."""
RATE_WINDOW_S: Final = 2.0
"""The frame rate is measured over this time."""


class OverlayRenderer:
    """Matches results with their frames, and draws them with their times.

    Args:
        stats: Whether to show the pipeline's rate, latency and skips as well.
    """

    def __init__(self, *, stats: bool = False) -> None:
        self._stats = stats
        self._frames: dict[str, OrderedDict[tuple[int, int], Packet]] = {}
        self._published: dict[str, deque[int]] = {}
        self._skipped: dict[str, int] = {}
        self._zero: dict[str, int] = {}
        """Event time at which the time code is zero, by stream without its own times."""
        self._places: dict[str, Places] = {}

    def begin(self, start: StreamStart) -> None:
        """Handle the start of a stream."""
        self._zero[start.stream] = start.session_start

    def add_frame(self, packet: Packet) -> None:
        """Buffer a frame until its result arrives."""
        frame = packet.message
        if isinstance(frame, Frame):
            buffered = self._frames.setdefault(frame.stream, OrderedDict())
            buffered[frame.epoch, frame.seq] = packet
            while len(buffered) > MAX_FRAMES:
                buffered.popitem(last=False)

    def match(self, emotion: Emotion) -> Packet | None:
        """The frame of a result, if it is still buffered."""
        # By the results' own times, so that a recording shows the rate that it had
        times = self._published.setdefault(emotion.stream, deque())
        if times and emotion.published_at < times[-1]:
            times.clear()
        times.append(emotion.published_at)
        while times[-1] - times[0] > RATE_WINDOW_S * 1e9:
            times.popleft()
        missed = bool(emotion.missing) or any(face.missing for face in emotion.faces)
        self._skipped[emotion.stream] = self._skipped.get(emotion.stream, 0) + missed
        buffered = self._frames.get(emotion.stream, OrderedDict())
        return buffered.pop((emotion.epoch, emotion.seq), None)

    def render(
        self, packet: Packet, emotion: Emotion, size: tuple[int, int] | None = None
    ) -> Image | None:
        """Draw a result onto its frame, for an image of this width and height."""
        frame = packet.message
        image = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if image is None:
            return None
        heading = Heading(self._time_code(emotion), self._describe(emotion) if self._stats else "")
        seen = {face.track for face in emotion.faces}
        before = self._places.get(emotion.stream, {})
        places = {key: index for key, index in before.items() if key[1] in seen}
        self._places[emotion.stream] = places
        return draw(image, emotion, heading, places, size)

    def _time_code(self, emotion: Emotion) -> str:
        """A picture's name, a film's own time, or the time since the session began."""
        if emotion.file is not None:
            return PurePosixPath(emotion.file).name
        if emotion.media_time is not None:
            return time_code(emotion.media_time)
        zero = self._zero.setdefault(emotion.stream, emotion.captured_at)
        return time_code(max(0, emotion.captured_at - zero))

    def _describe(self, emotion: Emotion) -> str:
        """The pipeline's speed, in words."""
        times = self._published[emotion.stream]
        rate = (len(times) - 1) * 1e9 / max(1, times[-1] - times[0])
        latency = (emotion.published_at - emotion.received_at) / 1e6
        return f"{rate:.0f} frames/s   {latency:.0f} ms   {self._skipped[emotion.stream]} skipped"


def time_code(ns: int) -> str:
    """A time as ``HH:MM:SS.mmm``."""
    seconds, ms = divmod(ns // 1_000_000, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"
