"""Pictures and what was said about them, as one message to the browser.

A frame waits until its answer has come; then both go out together, so that picture and boxes can
never disagree. The JPEG file goes through untouched.
"""

import json
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from affectline.common.clock import monotonic
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Packet

FRAMES_KEPT: Final = 64
"""Frames of a stream that wait for their answer; in lossless delivery at most 16 are under way."""
RATE_OVER_S: Final = 2.0
BLIND_S: Final = 0.5
"""Frames that nobody looked at are left out, unless there has been no other for so long."""


class FrameResult(NamedTuple):
    """A picture and its answer."""

    emotion: Emotion
    frame: Frame | None
    """None: a recording without pictures."""
    picture: bytes
    rate: float
    """Frames a second of its stream."""

    @property
    def stream(self) -> str:
        return self.emotion.stream

    def serialise(self) -> bytes:
        """Lay it out for the browser: length of the JSON (4 bytes, big-endian), JSON, JPEG."""
        about = json.dumps(self.describe(), separators=(",", ":")).encode()
        return b"".join((len(about).to_bytes(4, "big"), about, self.jpeg()))

    def describe(self) -> dict[str, Any]:
        """What the browser draws over the picture."""
        emotion = self.emotion
        return {
            "stream": emotion.stream, "epoch": emotion.epoch, "seq": emotion.seq,
            "at": emotion.captured_at / 1e6,
            "latency": round((emotion.published_at - emotion.captured_at) / 1e6, 1),
            "rate": round(self.rate, 1),
            "size": (emotion.width, emotion.height),
            "missing": emotion.missing,
            "faces": [_face(face) for face in emotion.faces],
        }  # fmt: skip

    def jpeg(self) -> bytes:
        """The picture's file; only raw pictures have to be made into one first."""
        if self.frame is None or self.frame.encoding == "jpeg":
            return self.picture
        import cv2

        from affectline.common.vision.decode import decode

        image = decode(self.frame, self.picture)
        return b"" if image is None else cv2.imencode(".jpg", image)[1].tobytes()


def _face(face: FaceEmotion) -> dict[str, Any]:
    return {
        "track": face.track, "box": face.box, "angle": round(face.angle, 1), "label": face.label,
        "confidence": face.confidence, "missing": face.missing,
        "probabilities": rounded(face.probabilities), "smoothed": rounded(face.smoothed),
    }  # fmt: skip


def rounded(distribution: tuple[float, ...] | None) -> list[float] | None:
    """A distribution in few characters."""
    return None if distribution is None else [round(part, 4) for part in distribution]


class FrameMatcher:
    """Matches answers with their frames, and counts them.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._frames: dict[str, OrderedDict[tuple[int, int], tuple[Frame, bytes]]] = {}
        self._times: dict[str, deque[float]] = {}
        self._looked_at: dict[str, float] = {}
        self._without: dict[str, int] = {}
        """Answers in a row whose frame never came: in the end there are no pictures at all."""

    def keep(self, packet: Packet) -> None:
        """Keep a frame until its answer comes."""
        frame = packet.message
        if isinstance(frame, Frame):
            kept = self._frames.setdefault(frame.stream, OrderedDict())
            kept[frame.epoch, frame.seq] = (frame, bytes(packet.parts[0]))
            while len(kept) > FRAMES_KEPT:
                kept.popitem(last=False)

    def match(self, emotion: Emotion) -> FrameResult | None:
        """An answer with its frame; None where that is gone, or nobody looked at it."""
        now, stream = self._clock(), emotion.stream
        rate = self._count(stream, now)
        frames = self._frames.get(stream, OrderedDict())
        frame, picture = frames.pop((emotion.epoch, emotion.seq), (None, b""))
        if emotion.missing is None:
            self._looked_at[stream] = now
        elif now - self._looked_at.get(stream, 0.0) < BLIND_S:
            return None
        self._without[stream] = 0 if frame else self._without.get(stream, 0) + 1
        if frame is None and self._without[stream] <= FRAMES_KEPT:
            return None
        return FrameResult(emotion, frame, picture, rate)

    def clear(self) -> None:
        """Forget everything: what follows is another time."""
        self._frames.clear()
        self._times.clear()
        self._without.clear()

    def _count(self, stream: str, now: float) -> float:
        times = self._times.setdefault(stream, deque())
        times.append(now)
        while times[-1] - times[0] > RATE_OVER_S:
            times.popleft()
        return (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else 0.0
