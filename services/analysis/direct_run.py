"""Runs recorded sources in this process: real stages, joined by calls instead of sockets.

The stages, their settings and the order of their messages are those of ``affectline up``, and so
are the numbers (decision 18). There is no hub, port or child process. Nothing is buffered or sent
again, because no message can be lost between two calls.
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from queue import SimpleQueue
from typing import Final

from affectline.common import file_access
from affectline.common.address import redact
from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.spec import Role, Run
from affectline.common.runtime.stage import Stage, StageContext
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Emotion, Packet, StreamMessage
from affectline.common.wire.watermark import Watermark
from affectline.services.capture.frame_source import Source
from affectline.services.supervisor.marker_schedule import MarkerSchedule
from affectline.services.supervisor.plan import plan, time_line_of
from affectline.services.supervisor.process import ProcessSpec

ORDER: Final[tuple[Role, ...]] = ("source", "transform", "worker", "sink")
"""Order in which stages are stopped, so that each still handles the output of the one before."""
IDLE_S: Final = 0.02
"""How long the loop waits if nothing wakes it."""

Observer = Callable[[Packet], None]


def why_not_direct(settings: PipelineSettings) -> str | None:
    """What in the settings needs separate processes; None if everything can run here."""
    live = next((source for source in settings.sources if source.is_live), None)
    if live is not None:
        return f"{redact(live.source)}: a camera or network stream"
    if any(source.loop for source in settings.sources):
        return "a looped film"
    if any(not sensor.is_recording for sensor in settings.biometrics):
        return "a sensor"
    if settings.sink.display in ("window", "browser"):
        return f"display {settings.sink.display}"
    if settings.services:
        return f"services {', '.join(settings.services)}"
    return None


class DirectRun:
    """One run of films, pictures and tables in this process.

    Args:
        settings: Complete settings, as from ``plan.complete``.
        observe: Called in this thread with every message, before it is handled.
        opened: By stream: a source that replaces the one in the settings, such as frames in memory.
        prepare: Called with every stage before it is set up.

    Raises:
        AffectlineError: The settings need separate processes.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        observe: Observer = lambda _: None,
        opened: Mapping[str, Source] | None = None,
        prepare: Callable[[Stage], None] = lambda _: None,
    ) -> None:
        if obstacle := why_not_direct(settings):
            raise AffectlineError(
                f"{obstacle}: not in one process", "use affectline up, or affectline.watch"
            )
        self._settings, self._observe, self._opened = settings, observe, opened or {}
        one = settings.classifier.model_copy(update={"instances": 1})
        run = Run(settings.model_copy(update={"delivery": "lossless", "classifier": one}))
        planned = [process for process in plan(run) if process.spec.role != "hub"]
        self._schedule = MarkerSchedule(settings.markers, time_line_of(planned))
        self._awake = threading.Event()
        ready = {process.name for process in planned}
        self._nodes = [_Node(process, ready, self._awake, self._opened) for process in planned]
        for node in self._nodes:
            prepare(node.stage)
        self._waiting: deque[Packet] = deque()
        self._routes: dict[tuple[type[Message], str], list[_Node]] = {}
        self._is_interrupted = False

    def run(self) -> None:
        """Analyse everything; the session folder is complete afterwards.

        Raises:
            AffectlineError: A source cannot be read, or the results cannot be written.
            KeyboardInterrupt: Ctrl-C; the session folder has everything analysed by then.
        """
        with ExitStack() as stack:
            stack.enter_context(file_access.restricted(group=self._settings.sink.group_access))
            stack.enter_context(_same_opencv_threads())
            stack.enter_context(_interrupts_call(self.interrupt))
            for node in self._nodes:
                stack.callback(node.close)
            for node in self._nodes:
                node.set_up()
            self._loop()
            self._stop()
        if self._is_interrupted:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Shut down soon and cleanly, as after Ctrl-C. Thread-safe."""
        self._is_interrupted = True
        self._awake.set()

    def _loop(self) -> None:
        sinks = [node.stage for node in self._nodes if node.role == "sink"]
        while not (self._is_interrupted or all(stage.done for stage in sinks)):
            self._awake.clear()
            has_moved = False
            for node in self._nodes:
                has_moved |= self._publish(node.step())
            has_moved |= self._publish(self._planned_markers())
            if not has_moved:
                self._awake.wait(IDLE_S)

    def _stop(self) -> None:
        """Stop every stage and publish its last messages, sources first."""
        for role in ORDER:
            for node in self._nodes:
                if node.role == role:
                    node.finish_work()
                    self._publish(node.step())
                    self._publish(node.stage.stop())

    def _publish(self, packets: Iterable[Packet]) -> bool:
        """Pass packets, and all that result from them, to their consumers."""
        self._waiting.extend(packets)
        has_moved = bool(self._waiting)
        while self._waiting:
            packet = self._waiting.popleft()
            self._observe(packet)
            if isinstance(packet.message, Emotion | Watermark):
                self._schedule.observe(packet.message)
            for node in self._consumers(packet.message):
                self._waiting.extend(node.handle(packet))
        return has_moved

    def _consumers(self, message: Message) -> list["_Node"]:
        key = type(message), message.topic
        if key not in self._routes:
            self._routes[key] = [node for node in self._nodes if node.wants(message)]
        return self._routes[key]

    def _planned_markers(self) -> Iterator[Packet]:
        yield from self._schedule.due(now_ns())
        yield from self._schedule.promise(monotonic())


class _Node:
    """A stage of the run: called directly, or in its own thread if it is a worker."""

    def __init__(
        self,
        process: ProcessSpec,
        ready: set[str],
        awake: threading.Event,
        opened: Mapping[str, Source],
    ) -> None:
        self.role = process.spec.role
        module, _, name = process.spec.stage.partition(":")
        self.stage: Stage = getattr(import_module(module), name)(process.settings)
        self.stage.context = StageContext(process.name, "lossless", wake=awake.set, ready=ready)
        if self.role == "source" and (source := opened.get(self.stage.stream or "")):
            setattr(self.stage, "open_source", lambda *_: source)  # noqa: B010 - a capture stage
        self._next_tick = 0.0
        self._worker = _StageThread(self.stage, awake) if self.role == "worker" else None

    def set_up(self) -> None:
        try:
            self.stage.setup()
        except OSError as error:
            raise AffectlineError(str(error), "check the path and its permissions") from error
        if self._worker:
            self._worker.thread.start()

    def wants(self, message: Message) -> bool:
        """Whether the stage handles a message, by kind, topic and stream."""
        stage = self.stage
        declared = stage.input_for(type(message))
        if declared is None or declared.route == "work_queue":
            return declared is not None
        if isinstance(message, StreamMessage) and stage.stream not in (None, message.stream):
            return False
        return any(message.topic.startswith(prefix) for prefix in stage.subscriptions)

    def handle(self, packet: Packet) -> Iterable[Packet]:
        """Handle a message; a worker's packets come from a later `step`."""
        if self._worker:
            self._worker.inbox.put(packet)
            return ()
        return self.stage.handle(packet)

    def step(self) -> Iterator[Packet]:
        """Yield a worker's output, or the packets of a stage's tick if one is due."""
        if self._worker:
            yield from self._worker.collect()
        elif self.role == "source" or monotonic() >= self._next_tick:
            self._next_tick = monotonic() + self.stage.tick_ms / 1000
            yield from self.stage.tick()

    def finish_work(self) -> None:
        """Wait until a worker has finished its work."""
        if self._worker:
            self._worker.stop()

    def close(self) -> None:
        self.finish_work()
        self.stage.cleanup()


class _StageThread:
    """A thread that handles messages one by one, in parallel to the loop."""

    def __init__(self, stage: Stage, awake: threading.Event) -> None:
        self._stage, self._awake = stage, awake
        self.inbox: SimpleQueue[Packet | None] = SimpleQueue()
        self._outbox: deque[Packet] = deque()
        self._failure: Exception | None = None
        self.thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def collect(self) -> Iterator[Packet]:
        """Yield the packets made since the last call."""
        while self._outbox:
            yield self._outbox.popleft()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Let the thread finish its work, and end it."""
        if self.thread.is_alive():
            self.inbox.put(None)
            self.thread.join()

    def _work(self) -> None:
        while (packet := self.inbox.get()) is not None:
            try:
                self._outbox.extend(self._stage.handle(packet))
            except Exception as error:
                self._failure = error
                return
            finally:
                self._awake.set()


@contextmanager
def _interrupts_call(interrupt: Callable[[], None]) -> Iterator[None]:
    """Make Ctrl-C call a function instead of raising KeyboardInterrupt anywhere."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread handles signals
        return
    before = signal.signal(signal.SIGINT, lambda *_: interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextmanager
def _same_opencv_threads() -> Iterator[None]:
    """Restore the caller's number of OpenCV threads afterwards, because stages change it."""
    import cv2

    before = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(before)
