"""Delivery to consumers' disks: no message is lost, whichever process dies on the way.

Queues die with the processes that hold them. So consumers that write to disk (the sink and
recorders) publish receipts (`Kept`) for what is on their disk. A publisher keeps what it has sent
until the receipts arrive (`Outbox`). When a consumer comes back, the publisher sends the rest
again, to that consumer alone, so that no other receives it twice. The consumer drops what it
already has (`Keeper`).

Receipts name messages, not positions in a stream, so it does not matter which messages are lost or
in which order the rest arrives.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import FrameMessage, Marker, Packet, Scores

KEEPERS: Final = ("sink", "recorder")
"""First part of the names of consumers that send receipts."""
RECEIPT_S: Final = 0.2
"""Interval of receipts, in s, while there is something new."""
REPEAT_S: Final = 1.0
"""Interval, in s, at which a consumer repeats that it is there, and which topics it keeps."""
MOST_KEYS: Final = 2000
"""Maximum number of messages in one receipt."""
KNOWN_KEYS: Final = 4096
"""Messages of a topic that a consumer remembers: more than are ever in flight."""
OVERDUE_S: Final = 5.0
"""A message is sent again if there is no receipt after this many seconds, even if its consumer was
never away. Consumers hold messages briefly, to put them in order: rarely for as much as a second.
"""
RETURN_S: Final = 5.0
"""A process that died is back within this many seconds, if something restarts it."""
ABSENT_S: Final = 30.0
"""A consumer that was away for this many seconds will not return: nothing is kept for it."""
MOST_OVERDUE: Final = 200
"""Maximum number of messages that are sent again in one go: the publisher must also read receipts,
and answer its supervisor."""
MARKERS_KEPT: Final = 1000
"""Markers kept for each consumer: nobody sets that many while a process is away."""
MARKER_BYTES: Final = 1 << 23
"""Maximum size of all kept markers together, in bytes."""
MOST_KEEPERS: Final = 16
"""Maximum number of keepers: the run's own consumers, and recorders started by others."""
FULL_BYTES: Final = 1 << 30
"""A publisher that keeps this many bytes waits: more than the half second of the largest raw frames
that a recorder holds back."""

UNIQUE: Final = (FrameMessage, Scores, Marker)
"""Messages that say nothing new the second time, whoever sends them."""

Address = tuple[str, tuple[int, int]]
"""Topic and `Message.key`."""


def keepers_among(services: Iterable[str]) -> tuple[str, ...]:
    """The services among these that send receipts."""
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
    """Prefixes of the topics that it keeps; None: not known yet."""
    sent: OrderedDict[Address, SentMessage] = field(default_factory=OrderedDict)
    away_since: float | None = None
    """Since when it has been away, in s of the monotonic clock; None: it is there."""

    def keeps(self, topic: str) -> bool:
        """Whether it keeps the messages of a topic, as far as is known."""
        return self.prefixes is None or topic.startswith(self.prefixes)


class Outbox:
    """Messages that a publisher has sent, and that are not known to be on the consumers' disks.

    Args:
        service: Name of the publisher; as a consumer, it gets nothing from its own outbox.
        expected: Consumers to keep messages for before they first appear.
        markers_only: Keep markers only, and only the newest, as in live delivery.
    """

    def __init__(
        self, service: str, expected: Iterable[str] = (), *, markers_only: bool = False
    ) -> None:
        self._service, self._expected = service, set(expected)
        self._markers_only = markers_only
        self._keepers = {name: RemoteKeeper() for name in self._expected}
        self._bytes = 0
        self.given_up = 0
        """Messages dropped because their consumers did not come back."""

    @property
    def is_full(self) -> bool:
        """Whether the publisher should wait."""
        return self._bytes > FULL_BYTES

    def is_behind(self, count: int, span_ns: int) -> bool:
        """Whether a consumer lacks so many messages, which span so much event time.

        Consumers never wait for what follows after that time, so a publisher may wait for them.

        Args:
            count: More messages than this.
            span_ns: More time than this, in ns of event time.
        """
        for keeper in self._keepers.values():
            if len(keeper.sent) > count:
                times = [one.packet.message.event_time or 0 for one in keeper.sent.values()]
                if max(times) - min(times) > span_ns:
                    return True
        return False

    @property
    def is_empty(self) -> bool:
        """Whether all consumers have everything."""
        return not any(keeper.sent for keeper in self._keepers.values())

    def may_be_emptied(self, now_s: float) -> bool:
        """Whether a consumer that lacks something is there, or may be back soon."""
        return any(
            keeper.sent and (keeper.away_since is None or now_s - keeper.away_since < RETURN_S)
            for keeper in self._keepers.values()
        )

    def keepers_of(self, topic: str) -> set[str]:
        """The consumers that send receipts for a topic, as far as is known."""
        return {name for name, keeper in self._keepers.items() if keeper.keeps(topic)}

    def add(self, packet: Packet, now_s: float) -> None:
        """Keep a message that is being sent, if a consumer would miss it.

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
        """Drop a consumer's oldest markers beyond the limits."""
        while len(keeper.sent) > MARKERS_KEPT:
            self._forget(keeper, next(iter(keeper.sent)))
        while self._bytes > MARKER_BYTES and len(keeper.sent) > 1:
            self._forget(keeper, next(iter(keeper.sent)))

    def on_kept(self, receipt: Kept) -> None:
        """Process a receipt: a consumer has messages on its disk."""
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
        """Yield what to send again to consumers that have just appeared or come back.

        Args:
            services: The services that have become ready.
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
        """Yield what to send again because no receipt has arrived; call it regularly.

        At most `MOST_OVERDUE` for each consumer; the next call yields the others.

        Args:
            ready: The services that are there.
            now_s: Seconds of the monotonic clock.
        """
        for name, keeper in list(self._keepers.items()):
            if name in ready:
                keeper.away_since = None
                for address, sent in list(islice(keeper.sent.items(), MOST_OVERDUE)):
                    if now_s - sent.sent_s < OVERDUE_S:
                        break  # later ones were sent later
                    keeper.sent[address] = sent._replace(sent_s=now_s)
                    keeper.sent.move_to_end(address)
                    yield name, sent.packet
            elif keeper.away_since is None:
                keeper.away_since = now_s
            elif now_s - keeper.away_since > ABSENT_S and name not in self._expected:
                self.given_up += len(keeper.sent)
                self._drop(name)

    def clear(self) -> list[Packet]:
        """Keep none of the messages any more, because another run follows; return them."""
        kept: dict[Address, Packet] = {}
        for keeper in self._keepers.values():
            kept |= {address: sent.packet for address, sent in keeper.sent.items()}
            keeper.sent.clear()
        self._bytes = 0
        return list(kept.values())

    def _find(self, name: str) -> RemoteKeeper | None:
        """The state of a consumer that sends receipts; None: there are too many already."""
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
    """The messages that a consumer has received, and which of them are on its disk.

    Args:
        service: Name of the consumer.
        prefixes: Prefixes of the topics whose messages it keeps, each message once.
        delivery: In ``live`` delivery it confirms markers only: publishers keep nothing else.
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
        """Messages that arrived a second time."""

    def admit(self, message: Message, *, is_sent_again: bool) -> bool:
        """Register a message; False if it is known already, and to be dropped.

        Args:
            message: Any message.
            is_sent_again: Whether it was sent to this consumer alone, from an `Outbox`. Of other
                known messages, only frames, messages about them, and markers are dropped: a replay
                that starts over reuses the numbers of samples, and the end of a stream is repeated
                until it is confirmed.
        """
        key, topic = message.key, message.topic
        if key is None or not topic.startswith(self._prefixes):
            return True
        known = self._known.setdefault(topic, OrderedDict())
        if key in known:
            if known[key]:
                self._add_news(topic, key)  # the sender does not know that it is on disk
            is_repeat = is_sent_again or isinstance(message, UNIQUE)
            self.repeated += is_repeat
            return not is_repeat
        self._remember(topic, key, is_kept=False)
        return True

    def prime(self, messages: Iterable[Message]) -> None:
        """Register messages that a former process has put on disk."""
        for message in messages:
            self._set_kept(message)

    def kept(self, messages: Iterable[Message]) -> None:
        """Confirm messages: they are on disk now, or not needed."""
        for message in messages:
            if self._set_kept(message) and message.key is not None:
                self._add_news(message.topic, message.key)

    def kept_before(self, topic: str, key: tuple[int, int]) -> None:
        """Confirm all messages of a topic before this key: they are on disk or will never come."""
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
        """Yield the receipts to publish now.

        Args:
            now_s: Seconds of the monotonic clock.
            ended: The process ends: publish everything.
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
