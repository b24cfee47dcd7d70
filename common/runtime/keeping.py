"""Nothing is lost between a publisher and a consumer's disk, whoever dies in between.

Queues die with the processes that hold them. So consumers at the end of the line (the sink and
recorders) publish receipts of what is on their disk (`Kept`); a publisher keeps what it has sent
until they have come (`Outbox`), and sends it again to a consumer that comes back, and to that one
alone: nobody else hears a message twice. The consumer drops what it has already (`Keeper`).

Receipts name messages, not positions in a stream, so it does not matter what is lost, nor in which
order the rest comes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import FrameMessage, Marker, Packet, Scores

KEEPERS: Final = ("sink", "recorder")
"""First levels of the names of consumers that send receipts."""
RECEIPT_S: Final = 0.2
"""How often receipts are published while there is something new."""
REPEAT_S: Final = 1.0
"""How often a consumer says that it is there, and which topics it keeps."""
MOST_KEYS: Final = 2000
"""Messages in one receipt."""
KNOWN_KEYS: Final = 4096
"""Messages of a topic that a consumer remembers: more than are ever on their way."""
OVERDUE_S: Final = 5.0
"""A message without a receipt for so long is sent again, though its consumer was never away.

Consumers hold messages for a moment, to put them in order; they have seldom as much as a second.
"""
RETURN_S: Final = 5.0
"""A process that died is back within this time, where somebody starts it again."""
ABSENT_S: Final = 30.0
"""A consumer that has been away for so long does not come back: nothing is kept for it any more."""
MARKERS_KEPT: Final = 1000
"""For each consumer: a person presses no key so often while a process is away."""
MARKER_BYTES: Final = 1 << 23
"""Of all of these together."""
MOST_KEEPERS: Final = 16
"""Consumers that messages are kept for: the run's own, and recorders that others have started."""
FULL_BYTES: Final = 1 << 30
"""A publisher that keeps so much waits: more than the half second that a recorder holds back of
the largest raw frames."""

UNIQUE: Final = (FrameMessage, Scores, Marker)
"""Messages that say nothing new when they come a second time, whoever sends them."""

Address = tuple[str, tuple[int, int]]
"""Topic and `Message.key`."""


def keepers_among(services: Iterable[str]) -> tuple[str, ...]:
    """Those of some services that send receipts."""
    return tuple(name for name in services if name.split("/")[0] in KEEPERS)


class SentMessage(NamedTuple):
    """A message without a receipt."""

    packet: Packet
    sent_s: float
    """When it was last sent, in s of the monotonic clock."""


@dataclass
class RemoteKeeper:
    """A consumer, as a publisher sees it."""

    prefixes: tuple[str, ...] | None = None
    """Beginnings of the topics that it keeps; None: not known yet."""
    sent: OrderedDict[Address, SentMessage] = field(default_factory=OrderedDict)
    away_since: float | None = None
    """When it was seen to be away, in s of the monotonic clock; None: it is there."""

    def keeps(self, topic: str) -> bool:
        """Whether it wants the messages of a topic."""
        return self.prefixes is None or topic.startswith(self.prefixes)


class Outbox:
    """What a publisher has sent, as far as it is not known to be on the consumers' disks.

    Args:
        service: Whose it is: its own consumption is none of its concern.
        expected: Consumers that it is kept for before they were ever seen.
        markers_only: Keep nothing else, as in live delivery, and of these the newest.
    """

    def __init__(
        self, service: str, expected: Iterable[str] = (), *, markers_only: bool = False
    ) -> None:
        self._service, self._expected = service, set(expected)
        self._markers_only = markers_only
        self._keepers = {name: RemoteKeeper() for name in self._expected}
        self._bytes = 0
        self.given_up = 0
        """Messages of consumers that did not come back."""

    @property
    def is_full(self) -> bool:
        """Whether the publisher should wait."""
        return self._bytes > FULL_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether all consumers have everything."""
        return not any(keeper.sent for keeper in self._keepers.values())

    def may_be_emptied(self, now_s: float) -> bool:
        """Whether a consumer that lacks something is there, or may be back in a moment."""
        return any(
            keeper.sent and (keeper.away_since is None or now_s - keeper.away_since < RETURN_S)
            for keeper in self._keepers.values()
        )

    def keepers_of(self, topic: str) -> set[str]:
        """The consumers that send receipts for the messages of a topic, as far as is known."""
        return {name for name, keeper in self._keepers.items() if keeper.keeps(topic)}

    def add(self, packet: Packet, now_s: float) -> None:
        """Keep a message that is being sent, if anybody misses it.

        Args:
            packet: The message.
            now_s: Seconds of the monotonic clock.
        """
        key, topic = packet.message.key, packet.message.topic
        if key is None or not packet.message.is_recorded:
            return
        if self._markers_only and not isinstance(packet.message, Marker):
            return
        for keeper in self._keepers.values():
            if keeper.keeps(topic):
                self._forget(keeper, (topic, key))
                keeper.sent[topic, key] = SentMessage(packet, now_s)
                self._bytes += _size(packet)
                if self._markers_only:
                    self._forget_oldest(keeper)

    def _forget_oldest(self, keeper: RemoteKeeper) -> None:
        """Keep no more markers than there is room for."""
        while len(keeper.sent) > MARKERS_KEPT:
            self._forget(keeper, next(iter(keeper.sent)))
        while self._bytes > MARKER_BYTES and len(keeper.sent) > 1:
            self._forget(keeper, next(iter(keeper.sent)))

    def on_kept(self, receipt: Kept) -> None:
        """A consumer has messages on its disk."""
        if receipt.by == self._service:
            return
        if receipt.ended:
            self._drop(receipt.by)
            return
        keeper = self._find(receipt.by)
        if keeper is None:
            return
        for topic, keys in receipt.keys.items():
            for key in keys:
                self._forget(keeper, (topic, key))
        if keeper.prefixes != receipt.prefixes:
            keeper.prefixes = receipt.prefixes
            for address in [a for a in keeper.sent if not keeper.keeps(a[0])]:
                self._forget(keeper, address)

    def on_ready(self, services: set[str], now_s: float) -> Iterator[tuple[str, Packet]]:
        """Yield what consumers that have just come, or come back, must get again.

        Args:
            services: Those that have become ready.
            now_s: Seconds of the monotonic clock.
        """
        for name in keepers_among(sorted(services)):
            if name == self._service:
                continue
            keeper = self._find(name)
            if keeper is None:
                continue
            keeper.away_since = None
            for address, sent in list(keeper.sent.items()):
                keeper.sent[address] = sent._replace(sent_s=now_s)
                yield name, sent.packet

    def overdue(self, ready: set[str], now_s: float) -> Iterator[tuple[str, Packet]]:
        """Yield what to send again because no receipt has come; call it all the time.

        Args:
            ready: The services that are there.
            now_s: Seconds of the monotonic clock.
        """
        for name, keeper in list(self._keepers.items()):
            if name in ready:
                keeper.away_since = None
                for address, sent in list(keeper.sent.items()):
                    if now_s - sent.sent_s < OVERDUE_S:
                        break  # those behind it were sent later
                    keeper.sent[address] = sent._replace(sent_s=now_s)
                    keeper.sent.move_to_end(address)
                    yield name, sent.packet
            elif keeper.away_since is None:
                keeper.away_since = now_s
            elif now_s - keeper.away_since > ABSENT_S and name not in self._expected:
                self.given_up += len(keeper.sent)
                self._drop(name)

    def _find(self, name: str) -> RemoteKeeper | None:
        """A consumer that sends receipts, as far as there is room for another one."""
        if name in self._keepers or len(self._keepers) < MOST_KEEPERS:
            return self._keepers.setdefault(name, RemoteKeeper())
        return None

    def _forget(self, keeper: RemoteKeeper, address: Address) -> None:
        sent = keeper.sent.pop(address, None)
        if sent:
            self._bytes -= _size(sent.packet)

    def _drop(self, name: str) -> None:
        keeper = self._keepers.pop(name, None)
        for address in list(keeper.sent) if keeper else ():
            self._forget(keeper, address)  # type: ignore[arg-type]


def _size(packet: Packet) -> int:
    told = len(repr(packet.message.extra)) if isinstance(packet.message, Marker) else 0
    return told + sum(len(part) for part in packet.parts)


class Keeper:
    """What a consumer at the end of the line has received, and what of it is on its disk.

    Args:
        service: Whose it is.
        prefixes: Beginnings of the topics whose messages it keeps, each once.
        delivery: In ``live`` delivery it confirms markers alone: nobody has anything else to send
            again.
    """

    def __init__(self, service: str, prefixes: Iterable[str], delivery: Delivery) -> None:
        self._service, self._prefixes = service, tuple(prefixes)
        is_lossless = delivery == "lossless"
        self._confirmed = self._prefixes if is_lossless else (f"{Marker.topic_prefix}/",)
        self._known: dict[str, OrderedDict[tuple[int, int], bool]] = {}
        """By topic and key: whether it is on disk."""
        self._news: OrderedDict[Address, None] = OrderedDict()
        self._publish_at = self._repeat_at = 0.0
        self.repeated = 0
        """Messages that came a second time."""

    def admit(self, message: Message, *, is_sent_again: bool) -> bool:
        """Take note of a message; False where it is known already, and to be dropped.

        Args:
            message: Any message.
            is_sent_again: It was sent to this consumer alone, from an `Outbox`. Of others, frames,
                what is said about them, and markers are dropped: a replay that begins again repeats
                the numbers of samples, and a stream's end is repeated until it is confirmed.
        """
        key, topic = message.key, message.topic
        if key is None or not topic.startswith(self._prefixes):
            return True
        known = self._known.setdefault(topic, OrderedDict())
        if key in known:
            if known[key]:
                self._add_news(topic, key)  # the sender cannot know that it is on disk
            is_repeat = is_sent_again or isinstance(message, UNIQUE)
            self.repeated += is_repeat
            return not is_repeat
        self._remember(topic, key, is_kept=False)
        return True

    def prime(self, messages: Iterable[Message]) -> None:
        """Take note of messages that a former process has put on disk."""
        for message in messages:
            self._set_kept(message)

    def kept(self, messages: Iterable[Message]) -> None:
        """These messages are on disk now, or nobody needs them."""
        for message in messages:
            if self._set_kept(message) and message.key is not None:
                self._add_news(message.topic, message.key)

    def kept_before(self, topic: str, key: tuple[int, int]) -> None:
        """All messages of a topic up to this key, exclusively, are on disk or will never come."""
        known = self._known.setdefault(topic, OrderedDict())
        for earlier in [k for k, is_kept in known.items() if not is_kept and k < key]:
            known[earlier] = True
            self._add_news(topic, earlier)

    def _add_news(self, topic: str, key: tuple[int, int]) -> None:
        if topic.startswith(self._confirmed):
            self._news[topic, key] = None

    def _set_kept(self, message: Message) -> bool:
        key, topic = message.key, message.topic
        if key is None or not topic.startswith(self._prefixes):
            return False
        self._remember(topic, key, is_kept=True)
        return True

    def _remember(self, topic: str, key: tuple[int, int], *, is_kept: bool) -> None:
        known = self._known.setdefault(topic, OrderedDict())
        known[key] = is_kept
        if len(known) > KNOWN_KEYS:
            known.popitem(last=False)

    def receipts(self, now_s: float, *, ended: bool = False) -> Iterator[Packet]:
        """What is to be published now.

        Args:
            now_s: Seconds of the monotonic clock.
            ended: All of it, for the process ends.
        """
        while self._news and (ended or now_s >= self._publish_at):
            keys: dict[str, list[tuple[int, int]]] = {}
            for _ in range(min(MOST_KEYS, len(self._news))):
                (topic, key), _ = self._news.popitem(last=False)
                keys.setdefault(topic, []).append(key)
            yield self._receipt({topic: tuple(found) for topic, found in keys.items()})
            if not self._news:
                self._publish_at, self._repeat_at = now_s + RECEIPT_S, now_s + REPEAT_S
        if ended:
            yield self._receipt(ended=True)
        elif now_s >= self._repeat_at:
            self._repeat_at = now_s + REPEAT_S
            yield self._receipt()

    def _receipt(
        self, keys: dict[str, tuple[tuple[int, int], ...]] | None = None, *, ended: bool = False
    ) -> Packet:
        receipt = Kept(by=self._service, prefixes=self._confirmed, keys=keys or {}, ended=ended)
        return Packet(receipt)
