"""Puts one stream's results in order, each once; requests gaps again or skips them."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from affectline.common.wire.messages import Emotion, Resend, StreamEnd

RESEND_INTERVAL_NS: Final = 300_000_000
PATIENCE_NS: Final = {
    "live": 1_000_000_000, "lossless": 10_000_000_000, "replay": 2_000_000_000,
}  # fmt: skip
"""How long to wait for a missing result before it counts as lost. A replay has only results that
were recorded."""
DETECTOR_CACHE: Final = 256
"""Results that a detector caches: a result with this many later ones waiting will not come."""


MOST_LOST: Final = 1_000_000
"""The most lost frames listed for one gap: more than nine hours of film. A longer gap means a wrong
number."""


class LostFrame(NamedTuple):
    """A frame whose result never came."""

    epoch: int
    seq: int


class ReorderBuffer:
    """Puts one stream's `Emotion` messages in order.

    Args:
        delivery: Determines how long to wait for a gap.
        epoch: Epoch in which to continue after an earlier process; -1: the first one received.
        next_seq: The first result expected in that epoch.
    """

    def __init__(self, delivery: str, epoch: int = -1, next_seq: int = 0) -> None:
        self.epoch, self.next_seq = epoch, next_seq
        self.lost = 0
        """Lost frames since this process started."""
        self._unlisted = 0
        self.repeated = 0
        self.end: StreamEnd | None = None
        self.patience_ns = PATIENCE_NS[delivery]
        self._announced = (-1, 0)
        """Epoch and first number of the newest start that is known."""
        self._waiting: dict[int, Emotion] = {}
        self._gap_since = self._requested_at = 0

    def begin(self, epoch: int, first_seq: int) -> None:
        """Register the start of an epoch; results of the earlier one may still come.

        The first result that arrives begins an epoch whose start is not known.
        """
        if epoch > self._announced[0]:
            self._announced = epoch, first_seq

    def push(self, emotion: Emotion) -> Iterator[Emotion | LostFrame]:
        """Add a result; yield those that can be written now, and the frames lost before them."""
        if emotion.epoch < self.epoch:
            self.repeated += 1
            return
        if emotion.epoch > self.epoch:
            yield from self.flush()  # missing results of the old epoch will never come
            self._enter(emotion.epoch, emotion.seq)
        if emotion.seq < self.next_seq or emotion.seq in self._waiting:
            self.repeated += 1
            return
        self._waiting[emotion.seq] = emotion
        yield from self._in_order()

    def close(self, end: StreamEnd) -> None:
        """Set the end of the stream."""
        if self.epoch == -1 and (end.last_seq == -1 or end.epoch == self._announced[0]):
            self._enter(end.epoch, 0)
        if end.epoch == self.epoch:
            self.end = end

    def _enter(self, epoch: int, received_seq: int) -> None:
        known_epoch, first_seq = self._announced
        self.epoch, self.end = epoch, None
        self.next_seq = first_seq if epoch == known_epoch else received_seq
        self._gap_since = 0

    @property
    def done(self) -> bool:
        """Whether the stream has ended, and every frame up to its end is received or skipped."""
        return self.end is not None and self.next_seq > self.end.last_seq

    def missing(self, stream: str, now: int) -> Resend | None:
        """The gap to request again, if there is one and a request is due."""
        last = self._end_of_gap()
        if last < self.next_seq:
            self._gap_since = 0
            return None
        self._gap_since = self._gap_since or now
        if now - self._requested_at < RESEND_INTERVAL_NS:
            return None
        self._requested_at = now
        return Resend(stream=stream, epoch=self.epoch, first_seq=self.next_seq, last_seq=last)

    def skip_gap(self, now: int) -> Iterator[Emotion | LostFrame]:
        """Yield a gap that was not filled in time, and the results after it."""
        waited = self._gap_since and now - self._gap_since > self.patience_ns
        if waited or len(self._waiting) >= DETECTOR_CACHE:
            self._gap_since = 0
            yield from self._lose(self._end_of_gap() + 1)
            yield from self._in_order()

    def _lose(self, upto: int) -> Iterator[LostFrame]:
        """Give up the frames before ``upto``."""
        first, self.next_seq = self.next_seq, max(self.next_seq, upto)
        self.lost += self.next_seq - first
        listed = min(self.next_seq, first + MOST_LOST)
        self._unlisted += self.next_seq - max(first, listed)
        for seq in range(first, listed):
            yield LostFrame(self.epoch, seq)

    def pop_unlisted(self) -> int:
        """Number of lost frames that were not yielded, because there are too many of them."""
        unlisted, self._unlisted = self._unlisted, 0
        return unlisted

    def _end_of_gap(self) -> int:
        if self._waiting:
            return min(self._waiting) - 1
        return self.end.last_seq if self.end else self.next_seq - 1

    def _in_order(self) -> Iterator[Emotion | LostFrame]:
        while self.next_seq in self._waiting:
            self._gap_since = 0
            yield self._waiting.pop(self.next_seq)
            self.next_seq += 1

    def flush(self) -> Iterator[Emotion | LostFrame]:
        """Yield everything that waits, with the frames lost in between."""
        for seq in sorted(self._waiting):
            yield from self._lose(seq)
            yield self._waiting.pop(seq)
            self.next_seq = seq + 1
