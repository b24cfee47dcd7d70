"""Pairs frames with their results and draws them."""

from collections import OrderedDict, deque
from typing import Final

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Emotion, Frame, Packet
from affectline.services.overlay.drawing import Image, Status, draw

MAX_FRAMES: Final = 64
"""Frames of a stream that wait for their result; in lossless delivery at most 16 are in flight."""
RATE_WINDOW_S: Final = 2.0
"""The frame rate is measured over this time."""


class OverlayRenderer:
    """Matches results with their frames, and measures the pipeline's rate, latency and skips."""

    def __init__(self) -> None:
        self._frames: dict[str, OrderedDict[tuple[int, int], Packet]] = {}
        self._published: dict[str, deque[int]] = {}
        self._skipped: dict[str, int] = {}

    def add_frame(self, packet: Packet) -> None:
        """Buffer a frame until its result arrives."""
        frame = packet.message
        if isinstance(frame, Frame):
            buffered = self._frames.setdefault(frame.stream, OrderedDict())
            buffered[frame.epoch, frame.seq] = packet
            while len(buffered) > MAX_FRAMES:
                buffered.popitem(last=False)

    def match(self, emotion: Emotion) -> Packet | None:
        """The frame that a result is about, if it is still buffered."""
        # By the results' own times: those of a recording give the rate that it had
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

    def render(self, packet: Packet, emotion: Emotion) -> Image | None:
        """Draw a result onto its frame."""
        frame = packet.message
        image = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if image is None:
            return None
        times = self._published[emotion.stream]
        rate = (len(times) - 1) * 1e9 / max(1, times[-1] - times[0])
        latency = (emotion.published_at - emotion.received_at) / 1e6
        return draw(image, emotion, Status(rate, latency, self._skipped[emotion.stream]))
