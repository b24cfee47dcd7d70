"""Combines frames and their results into one message to the browser.

A frame waits for its result; then both are sent together, so that image and boxes always match. The
JPEG file is passed on unchanged.
"""

import json
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from affectline.common.clock import monotonic
from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.messages import Emotion, FaceEmotion, Frame, Packet

FRAMES_KEPT: Final = 64
"""Frames per stream that wait for their result; in lossless delivery at most 16 are in flight."""
RATE_WINDOW_S: Final = 2.0
UNANALYSED_S: Final = 0.5
"""Frames that were not analysed are dropped, unless there has been no other for this long."""


class FrameResult(NamedTuple):
    """A frame and its result."""

    emotion: Emotion
    frame: Frame | None
    """None: a recording without images."""
    payload: bytes
    """The encoded image; empty without one."""
    rate: float
    """Frame rate of its stream."""

    @property
    def stream(self) -> str:
        return self.emotion.stream

    def serialise(self) -> bytes:
        """The message to the browser: length of the JSON (4 bytes, big-endian), JSON, JPEG."""
        header = json.dumps(self.to_dict(), separators=(",", ":")).encode()
        return b"".join((len(header).to_bytes(4, "big"), header, self.jpeg()))

    def to_dict(self) -> dict[str, Any]:
        """The overlay for the browser to draw."""
        emotion = self.emotion
        return {
            "stream": emotion.stream, "epoch": emotion.epoch, "seq": emotion.seq,
            "at": emotion.captured_at / 1e6,
            "latency": round((emotion.published_at - emotion.received_at) / 1e6, 1),
            "rate": round(self.rate, 1),
            "size": (emotion.width, emotion.height),
            "missing": emotion.missing,
            "faces": [_face_to_dict(face) for face in emotion.faces],
        }  # fmt: skip

    def jpeg(self) -> bytes:
        """The image as a JPEG file; only raw images have to be encoded for that."""
        if self.frame is None or self.frame.encoding == "jpeg":
            return self.payload
        import cv2

        from affectline.common.vision.decode import decode

        image = decode(self.frame, self.payload)
        return b"" if image is None else cv2.imencode(".jpg", image)[1].tobytes()


def _face_to_dict(face: FaceEmotion) -> dict[str, Any]:
    return {
        "track": face.track, "box": face.box, "angle": round(face.angle, 1), "label": face.label,
        "confidence": face.confidence, "missing": face.missing,
        "probabilities": round_distribution(face.probabilities),
        "valence": _round(face.valence), "arousal": _round(face.arousal),
        "doubts": [DOUBT_WORDS[doubt] for doubt in face.doubts],
    }  # fmt: skip


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def round_distribution(distribution: tuple[float, ...] | None) -> list[float] | None:
    """Round a distribution to four decimals, to save characters."""
    return None if distribution is None else [round(part, 4) for part in distribution]


class FrameMatcher:
    """Matches results with their frames, and measures the frame rate.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._frames: dict[str, OrderedDict[tuple[int, int], tuple[Frame, bytes]]] = {}
        self._times: dict[str, deque[float]] = {}
        self._last_analysed: dict[str, float] = {}
        self._unmatched: dict[str, int] = {}
        """Consecutive results whose frame never came: after many, the stream has no images."""

    def add_frame(self, packet: Packet) -> None:
        """Buffer a frame until its result arrives."""
        frame = packet.message
        if isinstance(frame, Frame):
            waiting = self._frames.setdefault(frame.stream, OrderedDict())
            waiting[frame.epoch, frame.seq] = (frame, bytes(packet.parts[0]))
            while len(waiting) > FRAMES_KEPT:
                waiting.popitem(last=False)

    def match(self, emotion: Emotion) -> FrameResult | None:
        """A result with its frame; None if the frame is gone or was not analysed."""
        now, stream = self._clock(), emotion.stream
        rate = self._measure_rate(stream, now)
        frames = self._frames.get(stream, OrderedDict())
        frame, payload = frames.pop((emotion.epoch, emotion.seq), (None, b""))
        if emotion.missing is None:
            self._last_analysed[stream] = now
        elif now - self._last_analysed.get(stream, 0.0) < UNANALYSED_S:
            return None
        self._unmatched[stream] = 0 if frame else self._unmatched.get(stream, 0) + 1
        if frame is None and self._unmatched[stream] <= FRAMES_KEPT:
            return None
        return FrameResult(emotion, frame, payload, rate)

    def clear(self) -> None:
        """Forget everything, because another time line follows."""
        self._frames.clear()
        self._times.clear()
        self._last_analysed.clear()
        self._unmatched.clear()

    def _measure_rate(self, stream: str, now: float) -> float:
        times = self._times.setdefault(stream, deque())
        times.append(now)
        while times[-1] - times[0] > RATE_WINDOW_S:
            times.popleft()
        return (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else 0.0
