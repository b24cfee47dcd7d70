"""Frames in flight: not answered yet, or with an answer that is not on disk yet."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from affectline.common.wire.messages import Packet

SIZE: Final = 16
"""Frames in flight at once in lossless delivery: enough to keep every stage busy, and too few to
fill a queue of the bus, because a full queue could block its own drain."""
RESEND_NS: Final = 500_000_000
"""Shortest interval at which a frame is sent again."""
STUCK_NS: Final = 2_000_000_000
"""If no answer has arrived for this long, all unanswered frames are sent again."""
MOST_UNKEPT: Final = 1000
"""Maximum number of answered frames to keep: a consumer is behind by a second or two of film."""


class InFlightWindow:
    """Frames that were published and not yet answered; shared by two threads.

    An answer is lost with its detector unless a consumer has it on disk. So answered frames are
    kept until all consumers that keep answers have theirs: a new detector gets the frames again.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified whenever there may be room."""
        self._frames: OrderedDict[int, Packet] = OrderedDict()
        self._sent_at: dict[int, int] = {}
        self._unkept: OrderedDict[int, tuple[Packet, set[str]]] = OrderedDict()
        """Answered frames, each with the consumers whose receipts are missing."""
        self._progress_at = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def first(self) -> Packet | None:
        """The first unanswered frame."""
        with self.changed:
            return next(iter(self._frames.values()), None)

    def add(self, seq: int, packet: Packet, now: int) -> None:
        """Add a frame that is being published.

        Args:
            seq: Its number.
            packet: The frame.
            now: Monotonic time in ns.
        """
        with self.changed:
            self._frames[seq] = packet
            self._sent_at[seq] = now
            self._progress_at = max(self._progress_at, now)

    def on_answer(self, seq: int, now: int, keepers: Iterable[str] = ()) -> list[Packet]:
        """Process an answer; return the earlier frames that must have been lost.

        Answers come in order, so an earlier frame without an answer was lost.

        Args:
            seq: Number of the answered frame.
            now: Monotonic time in ns.
            keepers: Consumers that must store the answer on disk.
        """
        with self.changed:
            packet = self._frames.get(seq)
            if packet is not None and (waiting := set(keepers)):
                self._unkept[seq] = packet, waiting
                if len(self._unkept) > MOST_UNKEPT:
                    self._unkept.popitem(last=False)
            self._forget(seq)
            self._progress_at = now
            self.changed.notify_all()
        return self._resend([earlier for earlier in self._frames if earlier < seq], now)

    def on_kept(self, keeper: str, seqs: Iterable[int]) -> None:
        """Process a receipt: a consumer has the answers of these frames on its disk."""
        for seq in seqs:
            _, waiting = self._unkept.get(seq, (None, set()))
            waiting.discard(keeper)
            if not waiting:
                self._unkept.pop(seq, None)

    def overdue(self, now: int) -> list[Packet]:
        """The frames to send again because no answer has arrived for `STUCK_NS`."""
        if not self._frames or now - self._progress_at < STUCK_NS:
            return []
        self._progress_at = now
        return self._resend(list(self._frames), now)

    def missed_by(self, services: set[str], stream: str, source: str, now: int) -> list[Packet]:
        """The frames to send again because the given services have just become ready.

        The stream's own detector needs all unanswered frames, and those whose answers may be lost.
        The source missed answers while its own subscription was away. For other services nothing is
        sent again: otherwise every subscriber would get answers twice whenever another one starts
        late. Consumers that keep messages get theirs from the `common.runtime.keeping.Outbox`.

        Args:
            services: The services that have become ready.
            stream: The stream of these frames.
            source: The service that publishes them.
            now: Monotonic time in ns, as everywhere in this class.
        """
        detector = f"detector/{stream}"
        if services.isdisjoint({detector, source}):
            return []
        self._sent_at = dict.fromkeys(self._frames, now)
        unkept = [packet for packet, _ in self._unkept.values()] if detector in services else []
        return [*unkept, *self._frames.values()]

    def _resend(self, seqs: list[int], now: int) -> list[Packet]:
        due = [seq for seq in seqs if now - self._sent_at[seq] >= RESEND_NS]
        self._sent_at.update(dict.fromkeys(due, now))
        return [self._frames[seq] for seq in due]

    def _forget(self, seq: int) -> None:
        self._frames.pop(seq, None)
        self._sent_at.pop(seq, None)
