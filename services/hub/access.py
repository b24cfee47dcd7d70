"""Permissions of peers that connect by TCP: what each may publish and subscribe to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from affectline.common.errors import InvalidMessage
from affectline.common.identifiers import sensor_service
from affectline.common.runtime.keeping import KEEPERS
from affectline.common.runtime.keys import KeyHolder, KeyRole
from affectline.common.settings.hub import NetworkAccess
from affectline.common.wire import codec
from affectline.common.wire.control import PIPELINE, Control, Record, StopRecording
from affectline.common.wire.kept import Kept
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import SENT_TO, TO_SENSORS, Marker

SENSOR_HEARS: Final = ("health/", "marker/", "stream/")
"""What a sensor's tools check: that the hub is running, and that it forwards their markers."""


def open_topics() -> tuple[str, ...]:
    """Topic prefixes that tools outside the pipeline publish: markers and samples of sensors."""
    kinds = message_kinds().values()
    return tuple(sorted({f"{kind.topic_prefix}/" for kind in kinds if kind.is_open_to_tools}))


def heard_topics() -> tuple[str, ...]:
    """Topic prefixes that need no key on loopback, and that a listener's key allows by default.

    None of them carries images of people.
    """
    kinds = message_kinds().values()
    return tuple(sorted({f"{kind.topic_prefix}/" for kind in kinds if not kind.shows_people}))


class AccessControl:
    """What peers that connect by TCP may do.

    Args:
        access: Network access as set in the hub's settings.
        holders: The keys that are allowed now, by name.
    """

    def __init__(
        self,
        access: NetworkAccess,
        holders: Callable[[], Mapping[str, KeyHolder]] = dict[str, KeyHolder],
    ) -> None:
        self._access, self._holders = access, holders
        self._open_topics = tuple(topic.encode() for topic in open_topics())
        self._heard_topics = heard_topics()

    @property
    def is_open_to_pipeline(self) -> bool:
        """Whether processes of the pipeline may connect by TCP."""
        return self._access != "guests"

    def is_pipeline(self, user: str) -> bool:
        """Whether a user's processes belong to the pipeline."""
        if self._access != "keys":
            return self._access == "everything"
        holder = self._holders().get(user)
        return holder is not None and holder.role == "pipeline"

    def is_let_in(self, user: str) -> bool:
        """Whether a user may still be connected: the key may have been revoked."""
        return self._access != "keys" or user in self._holders()

    def role_of(self, user: str) -> KeyRole | None:
        """The role of a user's key; None without a key."""
        holder = self._holders().get(user) if self._access == "keys" else None
        return holder.role if holder else None

    def may_publish(self, user: str, parts: Sequence[bytes]) -> bool:
        """Whether the hub forwards a user's message."""
        topic = parts[0]
        if self._access != "keys":
            return self._access == "everything" or topic.startswith(self._open_topics)
        holder = self._holders().get(user)
        match holder and holder.role:
            case "pipeline" if holder:
                return not holder.services or _is_of(parts, holder.services)
            case "sensor" if holder and topic.startswith(SENT_TO.encode()):
                return _is_sent_to_a_keeper(parts) and parts[1].startswith(_kept_topics(holder))
            case "sensor" if holder:
                return topic.startswith(_sensor_topics(holder))
            case "operator":
                return topic.startswith(MARKERS) or _is_about_recording(parts)
        return False

    def narrow(self, user: str, topic: str) -> tuple[str, ...]:
        """The topic prefixes that a user gets for a subscription to ``topic``."""
        if self.is_pipeline(user):
            return (topic,)
        entitled = self._heard_topics
        if self._access == "keys":
            holder = self._holders().get(user)
            if holder is None:
                return ()
            is_sensor = holder.role == "sensor"
            entitled = holder.prefixes or (SENSOR_HEARS if is_sensor else entitled)
            if is_sensor:
                entitled = *entitled, receipts_of(holder.name)
        narrowed = [
            topic if topic.startswith(prefix) else prefix
            for prefix in entitled
            if topic.startswith(prefix) or prefix.startswith(topic)
        ]
        return tuple(dict.fromkeys(narrowed))

    def split_receipt(self, receipt: Kept) -> Iterator[tuple[str, Kept]]:
        """Split a receipt by sensor key: yield each key's topic, and its part of the receipt."""
        if self._access != "keys":
            return
        for holder in self._holders().values():
            if holder.role == "sensor":
                topics = tuple(topic.decode() for topic in _kept_topics(holder))
                keys = {name: k for name, k in receipt.keys.items() if name.startswith(topics)}
                yield receipts_of(holder.name), receipt.model_copy(update={"keys": keys})


MARKERS: Final = f"{Marker.topic_prefix}/".encode()
COMMANDS: Final = f"{Control.topic_prefix}/{PIPELINE}".encode()


def receipts_of(user: str) -> str:
    """The topic on which the holder of a sensor's key gets receipts."""
    return f"{TO_SENSORS}{user}:"


def _kept_topics(holder: KeyHolder) -> tuple[bytes, ...]:
    """Topic prefixes that a sensor publishes and consumers keep."""
    return tuple(t for t in _sensor_topics(holder) if t.startswith((b"bio/", MARKERS)))


def _is_sent_to_a_keeper(parts: Sequence[bytes]) -> bool:
    """Whether a message is resent to a consumer that has sent no receipt for it."""
    service = parts[0].decode(errors="replace").removeprefix(SENT_TO).rstrip(":")
    return len(parts) > 1 and service.split("/")[0] in KEEPERS


def _sensor_topics(holder: KeyHolder) -> tuple[bytes, ...]:
    """Topic prefixes that a sensor publishes: its subjects' samples, markers and its health."""
    if not holder.subjects:
        return b"bio/", MARKERS, b"health/biometrics/", b"watermark/biometrics/"
    topics = [MARKERS]
    for subject in holder.subjects:
        service = sensor_service(subject)
        topics += [f"bio/{subject}/".encode()]
        topics += [f"{kind}/{service}".encode() for kind in ("health", "watermark")]
    return tuple(topics)


def _is_of(parts: Sequence[bytes], services: Iterable[str]) -> bool:
    """Whether one of these kinds of service publishes this message."""
    is_to_one = parts[0].startswith(SENT_TO.encode())
    try:
        message = codec.decode(parts[1:] if is_to_one else parts).message
    except InvalidMessage:
        return False
    return any(message.may_be_of(service) for service in services)


def _is_about_recording(parts: Sequence[bytes]) -> bool:
    """Whether a message is a command to start or stop a recording."""
    if parts[0] != COMMANDS:
        return False
    try:
        message = codec.decode(parts).message
    except InvalidMessage:
        return False
    return isinstance(message, Control) and isinstance(message.action, Record | StopRecording)


def kind_of(topic: bytes) -> str:
    """The first level of a topic if it is one of ours, for counters; else ``other``."""
    first = topic.split(b"/", 1)[0].decode(errors="replace")
    return first if first in {kind.topic_prefix for kind in message_kinds().values()} else "other"
