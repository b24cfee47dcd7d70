"""Waits for the result of each frame, puts results in order, smooths and caches them."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.vision.ema import EmotionSmoother
from affectline.common.vision.label_hysteresis import LabelHysteresis
from affectline.common.wire.messages import (
    Emotion,
    Face,
    FaceEmotion,
    Faces,
    FrameMessage,
    Missing,
    Packet,
    Resend,
    Scores,
    SeenFace,
)

CACHE_SIZE: Final = 256
"""How many results are cached for consumers that missed them: 8 s at 30 frames a second."""
PATIENCE_S: Final = {"live": 0.5, "lossless": 1.0}
"""How long to wait for a classifier before giving up (live) or sending again (lossless)."""
MAX_PATIENCE_S: Final = 8.0
REPEAT_S: Final = 0.25
"""The least time between repeats of a result, however many consumers ask for it: each repeat
reaches all of them. They ask every 0.3 s."""

FrameKey = tuple[int, int]
"""Epoch and number of a frame: `FrameMessage.key`."""


@dataclass
class PendingFrame:
    """A frame whose result is not published yet."""

    frame: FrameMessage
    faces: Packet[Faces] | None = None
    """The faces sent to the classifiers; None if there was nothing to classify."""
    sent_at: int = 0
    patience_s: float = 1.0
    scores: Scores | None = None
    missing: Missing | None = None

    @property
    def resolved(self) -> bool:
        return self.faces is None or self.scores is not None or self.missing is not None


class ResultBuffer:
    """The frames of one stream, from arrival until some time after their result.

    Frames that wait when a new epoch begins still get their results, before those of the new one.
    """

    def __init__(self, *, lossless: bool) -> None:
        self._lossless = lossless
        self._patience_s = PATIENCE_S["lossless" if lossless else "live"]
        self._pending: OrderedDict[FrameKey, PendingFrame] = OrderedDict()
        self._published: OrderedDict[FrameKey, Packet] = OrderedDict()
        self._repeated_at: dict[FrameKey, int] = {}
        """When each result was last published again."""
        self._smoother, self._labels = EmotionSmoother(), LabelHysteresis()

    def cached_result(self, frame: FrameMessage) -> Packet | None:
        """The result of a frame that arrives a second time, if it is published already."""
        return self._published.get(frame.key)

    def is_known(self, frame: FrameMessage) -> bool:
        """Whether a frame was received before."""
        return frame.key in self._published or frame.key in self._pending

    @property
    def unresolved_count(self) -> int:
        """Number of frames that no classifier has answered yet."""
        return sum(not entry.resolved for entry in self._pending.values())

    def add(self, faces: Packet[Faces], now: int) -> None:
        """Add a frame that is sent to the classifiers, or that has no face to classify."""
        message = faces.message
        sent = faces if message.faces else None
        self._pending[message.key] = PendingFrame(message, sent, now, self._patience_s)

    def complete(self, faces: Faces) -> None:
        """Add the signs of a frame's faces that were sent to the classifiers without them."""
        if entry := self._pending.get(faces.key):
            entry.frame = faces

    def skip(self, frame: FrameMessage, why: Missing) -> None:
        """Add a frame that is not analysed."""
        entry = self._pending.setdefault(frame.key, PendingFrame(frame))
        entry.missing = why

    def resolve(self, scores: Scores) -> bool:
        """Add a classifier's scores; False if they match no frame that was sent."""
        entry = self._pending.get(scores.key)
        if entry is None or entry.faces is None:
            return scores.key in self._published  # sent twice, answered twice
        message = entry.faces.message
        if scores.missing is None and len(scores.distributions) != len(message.faces):
            return False
        entry.scores = entry.scores or scores
        return True

    def overdue(self, now: int) -> Iterator[Packet]:
        """Faces to send again (lossless); live delivery gives them up instead."""
        for entry in self._pending.values():
            if entry.resolved or entry.faces is None:
                continue
            if now - entry.sent_at < entry.patience_s * 1e9:
                continue
            if not self._lossless:
                entry.missing = "unanswered"
                continue
            entry.sent_at = now
            entry.patience_s = min(2 * entry.patience_s, MAX_PATIENCE_S)
            yield entry.faces

    def repeat(self, wanted: Resend, now: int) -> list[Packet]:
        """Results that a consumer missed, unless they have left the cache or were just repeated.

        Args:
            wanted: The consumer's request.
            now: Monotonic time in ns.
        """
        first, last = (wanted.epoch, wanted.first_seq), (wanted.epoch, wanted.last_seq)
        asked = [key for key in self._published if first <= key <= last]
        due = [k for k in asked if now - self._repeated_at.get(k, -(2**62)) >= REPEAT_S * 1e9]
        self._repeated_at.update(dict.fromkeys(due, now))
        return [self._published[key] for key in due]

    def publish(self, now: int) -> Iterator[Packet]:
        """Yield the results that are due, in the frames' order."""
        while self._pending:
            key, entry = next(iter(self._pending.items()))
            if not entry.resolved:
                return
            del self._pending[key]
            packet = Packet(self._result(entry, now))
            self._published[key] = packet
            if len(self._published) > CACHE_SIZE:
                oldest, _ = self._published.popitem(last=False)
                self._repeated_at.pop(oldest, None)
            yield packet

    def _result(self, entry: PendingFrame, now: int) -> Emotion:
        frame, scores = entry.frame, entry.scores
        at = frame.captured_at
        faces = _faces_of(frame)
        if frame.file is None:
            self._smoother.forget(at)
            self._labels.forget_all_but(self._smoother.tracks)
        missing = entry.missing or (scores.missing if scores else None)
        distributions: Sequence[tuple[float, ...] | None] = (
            scores.distributions if scores and not missing else (None,) * len(faces)
        )
        # An analysed frame keeps its faces; each then says why it has no emotion
        return Emotion(
            **frame.identity,
            detected_at=frame.detected_at if isinstance(frame, Faces) else None,
            classified_at=scores.classified_at if scores else None,
            published_at=now,
            model=scores.model if scores else None,
            missing=None if faces else missing,
            faces=tuple(
                self._describe(frame, face, probabilities, missing)
                for face, probabilities in zip(faces, distributions, strict=True)
            ),
        )

    def _describe(
        self,
        frame: FrameMessage,
        face: Face,
        single: tuple[float, ...] | None,
        missing: Missing | None,
    ) -> FaceEmotion:
        seen = {name: getattr(face, name) for name in SeenFace.model_fields}
        if single is None:
            return FaceEmotion(**seen, missing=missing)
        if frame.file is None:
            probabilities = self._smoother.smooth(face.track, frame.captured_at, single)
            label = self._labels.choose(face.track, frame.captured_at, probabilities)
        else:  # a picture by itself
            probabilities, label = single, single.index(max(single))
        affect = map_to_circumplex(probabilities)
        return FaceEmotion(
            **seen,
            probabilities=probabilities,
            frame_probabilities=single,
            label=LABELS[label],
            confidence=probabilities[label],
            valence=affect.valence,
            arousal=affect.arousal,
            missing=missing,
        )


def _faces_of(message: object) -> tuple[Face, ...]:
    return message.faces if isinstance(message, Faces) else ()
