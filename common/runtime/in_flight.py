"""The frames in flight: published and not yet answered, or whose answer is on no disk yet."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from affectline.common.wire.messages import Packet

SIZE: Final = 16
"""Frames in flight at once in lossless delivery: enough to keep every stage busy, few enough that
no queue of the bus fills up, for a full one could block its own way out."""
RESEND_NS: Final = 500_000_000
"""A frame is sent again at most this often."""
STUCK_NS: Final = 2_000_000_000
"""When no answer has come for so long, everything unanswered is sent again."""
MOST_UNKEPT: Final = 1000
"""Answered frames that are kept at most: a consumer is behind by a second of film or two."""


class InFlightWindow:
    """Frames that were published and not yet answered; shared by two threads.

    An answer dies with its detector where no consumer has it on its disk. So answered frames are
    kept, too, until all consumers that keep answers have theirs: a new detector gets them again.
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
        """The first frame that is not answered."""
        with self.changed:
            return next(iter(self._frames.values()), None)

    def add(self, seq: int, packet: Packet, now: int) -> None:
        """A frame is being published."""
        with self.changed:
            self._frames[seq] = packet
            self._sent_at[seq] = now
            self._progress_at = max(self._progress_at, now)

    def on_answer(self, seq: int, now: int, keepers: Iterable[str] = ()) -> list[Packet]:
        """A frame is answered; return the earlier ones that must have been lost.

        Answers come in order, so a frame without one before this got lost on its way.

        Args:
            seq: Of the frame.
            now: Monotonic time in ns.
            keepers: Consumers that have to have the answer on their disks.
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
        """A consumer has the answers of these frames on its disk."""
        for seq in seqs:
            _, waiting = self._unkept.get(seq, (None, set()))
            waiting.discard(keeper)
            if not waiting:
                self._unkept.pop(seq, None)

    def overdue(self, now: int) -> list[Packet]:
        """What to send again because no answer has come for too long."""
        if not self._frames or now - self._progress_at < STUCK_NS:
            return []
        self._progress_at = now
        return self._resend(list(self._frames), now)

    def missed_by(self, services: set[str], stream: str, source: str, now: int) -> list[Packet]:
        """Everything unanswered, where processes that have just become ready need it.

        The stream's own detector does, and needs those whose answers may be lost as well; the
        source itself has missed answers while its own subscription was away. For others nothing is
        sent again, or every subscriber would get answers twice whenever one of several starts late:
        consumers that keep messages get theirs from the `common.runtime.keeping.Outbox`.

        Args:
            services: Those that have become ready.
            stream: Whose frames these are.
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
