"""The parts of a service: a `Stage` with typed handlers, and the context of its process.

A stage declares its inputs with `on` and its outputs with `Stage.outputs`; from these,
`common.runtime.service` derives everything about sockets, topics, signals and heartbeats.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeVar

from affectline.common.clock import now_ns
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.keeping import Keeper, Outbox
from affectline.common.runtime.tracing import TRACE, About, TraceSpan
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Packet, StreamMessage

LATENCIES_KEPT: Final = 500

Route = Literal["bus", "work_queue"]
"""The route of messages: to all subscribers, or to one of the classifiers."""

M = TypeVar("M", bound=Message)
S = TypeVar("S")
_HANDLED: Final = "_handled_inputs"


@dataclass(frozen=True)
class Input:
    """A kind of message that a stage handles."""

    kind: type[Message]
    method: str
    """Name of the handler."""
    route: Route = "bus"
    newest_only: bool = False
    """In live delivery, handle only the newest waiting message of a stream; the others go to
    `Stage.on_superseded`."""


def on(
    *kinds: type[M], route: Route = "bus", newest_only: bool = False
) -> Callable[
    [Callable[[S, Packet[M]], Iterable[Packet]]], Callable[[S, Packet[M]], Iterable[Packet]]
]:
    """Declare a method to be the handler of one or several kinds of message.

    The method receives a `Packet` of that kind, and returns or yields the packets to publish.

    Args:
        kinds: Message classes; a subclass is handled by the handler of its nearest base.
        route: Where these messages come from.
        newest_only: See `Input.newest_only`.
    """

    def declare(
        method: Callable[[S, Packet[M]], Iterable[Packet]],
    ) -> Callable[[S, Packet[M]], Iterable[Packet]]:
        inputs = [Input(kind, method.__name__, route, newest_only) for kind in kinds]
        setattr(method, _HANDLED, inputs)
        return method

    return declare


class Handlers:
    """Base of classes with handlers, which are declared by `on`."""

    inputs: ClassVar[tuple[Input, ...]] = ()
    """All inputs that the class handles, including inherited ones."""
    _input_of: ClassVar[dict[type[Message], Input | None]] = {}
    """By kind of message; a cache that is filled as messages arrive."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found: dict[type[Message], Input] = {}
        for base in reversed(cls.__mro__):
            for method in vars(base).values():
                found |= {one.kind: one for one in getattr(method, _HANDLED, ())}
        cls.inputs = tuple(found.values())
        cls._input_of = {**found}

    def input_for(self, kind: type[Message]) -> Input | None:
        """The declared input of a kind of message; None: it is not handled."""
        if kind not in self._input_of:
            nearest = next((base for base in kind.__mro__ if base in self._input_of), None)
            self._input_of[kind] = self._input_of[nearest] if nearest else None
        return self._input_of[kind]

    def handle(self, packet: Packet) -> Iterable[Packet]:
        """Call the handler of a packet's message; do nothing if there is none."""
        declared = self.input_for(type(packet.message))
        if declared is None:
            return ()
        answer: Iterable[Packet] = getattr(self, declared.method)(packet)
        return answer


@dataclass
class StageContext:
    """What a stage may know about the process that runs it."""

    service: str
    """Its name on the bus, such as ``detector/sample``."""
    delivery: Delivery = "lossless"
    now: Callable[[], int] = now_ns
    """The hub's time in ns since the Unix epoch."""
    wake: Callable[[], None] = lambda: None
    """Request an early call of `Stage.tick`; may be called from any thread."""
    keep_alive: Callable[[], object] = lambda: None
    """Send a heartbeat if it is due; call it now and then during a set-up that may take minutes."""
    ready: set[str] = field(default_factory=set)
    """Consumers that have announced themselves."""
    counters: Counter[str] = field(default_factory=Counter)
    """Published with every health message."""
    state: Literal["ready", "degraded"] = "ready"
    detail: str = ""
    """Published with every health message: what is wrong, or what the stage waits for."""
    keeper: Keeper | None = None
    """Set in `Stage.setup` by consumers that guarantee storage on disk; the runtime reads it and
    publishes its receipts."""
    outbox: Outbox | None = None
    """Published messages that are not on the consumers' disks yet; None: none are kept."""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))

    def __post_init__(self) -> None:
        self.log = ServiceLogger(self.service)
        """Pass stream and seq as ``extra={"stream": ..., "seq": ...}``."""

    def span(
        self, name: str, about: About = None, kind: str = "", count: int | None = None
    ) -> TraceSpan:
        """A part of the stage's work, for ``affectline up --trace``; use it in a ``with`` block.

        Without a trace it costs nothing worth mentioning.

        Args:
            name: What is done, in a word or two.
            about: The message that it is done for, or ``(stream, epoch, seq)`` of a frame.
            kind: Follows the name, to tell different cases apart.
            count: How many things it is done with.
        """
        return TRACE.span(name, about, kind, count)

    def record_latency(self, received_at: int) -> None:
        """Record the age of a frame that this process has just handled.

        Args:
            received_at: When the pipeline received it, in ns since the Unix epoch.
        """
        self.latencies_ms.append(max(0, self.now() - received_at) / 1e6)


class Stage(Handlers):
    """A service's own work: packets in, packets out; no sockets, signals or log set-up.

    Declare handlers with `on`. The runtime calls `setup` once, then handlers and `tick`, then
    `stop` if asked to stop, and `cleanup` in every case.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {}
    """The kinds of message that it publishes, each with its route."""
    measures_latency: ClassVar[bool] = True
    """Whether to record the age of handled frame messages as this stage's latency."""
    stream: str | None = None
    """The one stream that it works on; None: all of them."""
    tick_ms: int = 100
    gather_ms: int = 0
    """How long messages that arrive wait for others, so that all are handled in one go. A wake-up
    costs as much as several messages: for stages that nobody waits for, such as recorders."""
    context: StageContext

    def topic(self, kind: type[Message]) -> str | None:
        """Prefix of the topics to subscribe to for an input; None: do not subscribe.

        When it is called, the context is set, but `setup` was not called yet.
        """
        if self.stream is not None and issubclass(kind, StreamMessage):
            return f"{kind.topic_prefix}/{self.stream}"
        return f"{kind.topic_prefix}/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Prefixes of the bus topics to subscribe to, derived from its inputs."""
        wanted = (self.topic(one.kind) for one in self.inputs if one.route == "bus")
        return tuple(sorted({topic for topic in wanted if topic is not None}))

    @property
    def is_missed(self) -> bool:
        """Whether it publishes anything that consumers keep."""
        return any(kind.key is not Message.key for kind in self.outputs)

    @property
    def uses_work_queue(self) -> bool:
        """Whether it takes work from the queue shared with other processes of its kind."""
        return any(one.route == "work_queue" for one in self.inputs)

    def setup(self) -> None:
        """Open resources; an `AffectlineError` here is shown to the user."""

    def on_superseded(self, packet: Packet) -> Iterable[Packet]:
        """Called if a newer message of an `Input.newest_only` input has already arrived."""
        return ()

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        """Called if the hub has no room for a packet, or is away (live, or while stopping)."""
        return ()

    @property
    def may_send_again(self) -> bool:
        """Whether consumers that have come back may be sent what they lack of `outputs` now."""
        return True

    def on_hub_lost(self) -> None:
        """Called when the connection to the hub has ended."""

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        """Called when consumers have appeared or come back."""
        return ()

    def tick(self) -> Iterable[Packet]:
        """Called every ``tick_ms`` at least, and soon after `StageContext.wake`."""
        return ()

    def stop(self) -> Iterable[Packet]:
        """Called when asked to stop; return what must still be published."""
        return ()

    def cleanup(self) -> None:
        """Close all resources."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do; the process then ends with exit code 0."""
        return False
