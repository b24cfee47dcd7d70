"""How far streams have come: where a replaced capture process continues."""

from typing import Final

from affectline.common.runtime.keeping import KNOWN_KEYS
from affectline.common.runtime.spec import StreamPosition
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Emotion, Frame

FRAME: Final = f"{Frame.topic_prefix}/"
EMOTION: Final = f"{Emotion.topic_prefix}/"


class ContiguousRun:
    """Numbers that arrive in any order, without gaps up to the first missing one.

    A number that is still missing when `KNOWN_KEYS` higher ones are there has been missed: more are
    never on their way.

    Args:
        first: The first number.
    """

    def __init__(self, first: int) -> None:
        self.next = first
        """The first number that has not arrived."""
        self._later: set[int] = set()

    def add(self, number: int) -> None:
        """Add a number."""
        if number < self.next:  # it was sent again
            return
        self._later.add(number)
        if len(self._later) > KNOWN_KEYS:
            self.next = min(self._later)
        while self.next in self._later:
            self._later.discard(self.next)
            self.next += 1


class StreamPositions:
    """The first frame of each stream that is still needed.

    A frame is needed until it is answered, and until the consumers that keep frames or answers have
    them on disk: queues die with their processes.

    Args:
        keepers: Consumers of the run that send receipts.
    """

    def __init__(self, keepers: set[str]) -> None:
        self._keepers = keepers
        self._prefixes: dict[str, tuple[str, ...]] = {}
        self._answered: dict[str, StreamPosition] = {}
        self._kept: dict[tuple[str, str, int], ContiguousRun] = {}
        """What is on disk, by consumer, topic and epoch."""

    def on_answer(self, emotion: Emotion) -> None:
        """Record that a frame is answered."""
        before = self._answered.get(emotion.stream)
        tracks = [face.track for face in emotion.faces if emotion.file is None]
        last_track = max([before.last_track if before else 0, *tracks])
        self._answered[emotion.stream] = StreamPosition(
            emotion.epoch, emotion.seq + 1, emotion.captured_at, last_track
        )

    def on_kept(self, receipt: Kept) -> None:
        """Record that a consumer has messages on disk."""
        if receipt.by not in self._keepers:
            return
        self._prefixes[receipt.by] = receipt.prefixes
        for topic, keys in receipt.keys.items():
            for epoch, seq in keys if topic.startswith((FRAME, EMOTION)) else ():
                self._kept.setdefault((receipt.by, topic, epoch), ContiguousRun(0)).add(seq)

    def needed(self, stream: str) -> StreamPosition | None:
        """Where a stream must continue; None if none of its frames was answered."""
        answered = self._answered.get(stream)
        if answered is None:
            return None
        seq = answered.seq
        for keeper in self._keepers:
            for topic in (FRAME + stream, EMOTION + stream):
                if topic.startswith(self._prefixes.get(keeper, (EMOTION,))):
                    run = self._kept.get((keeper, topic, answered.epoch))
                    seq = min(seq, run.next if run else 0)
        return answered._replace(seq=seq)
