"""The whole pipeline from one command: starts the processes, watches them, ends with them."""

import sys
from collections.abc import Callable
from typing import Any, Final

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.keyboard import QUIT, SIGNALS, Keyboard
from affectline.common.runtime.sockets import OutletSubscriber, publish_once, taken_ports
from affectline.common.runtime.supervision import EXIT_GIVEN_UP
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.pipeline import PipelineSettings, SourceSettings, is_live
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamEnd, StreamStart
from affectline.services.supervisor.plan import plan
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec

CHECK_S: Final = 0.25
FLUSH_S: Final = 1.5
"""After Ctrl-C: how long the last frames may take to be written down."""
FINISH_S: Final = 10.0
"""How long a recorder may take for what it has already got, when everything else is over."""
STOP_S: Final = 1.0
"""How long a process may take to stop before it is killed."""
SOURCES: Final = ("capture", "replay", "biometrics")
"""Processes that end by themselves when their material does."""
WRITERS: Final = ("sink", "recorder")
"""Processes that end by themselves when everything is written down."""

Watcher = Callable[[Packet], None]


class Supervisor:
    """Starts, watches and stops the processes of one pipeline run.

    Args:
        settings: Complete: with sources, delivery, pace and session folder.
        quiet: Keep the children's words off standard output.
        watch: Called with every `StreamStart`, `Emotion` and `StreamEnd`.
        tasks: The processes, where they are not those of `services.supervisor.plan.plan`.
        keys: What the user presses steers a replay.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        *,
        quiet: bool,
        watch: Watcher = lambda _: None,
        tasks: list[ProcessSpec] | None = None,
        keys: Keyboard | None = None,
    ) -> None:
        self._settings, self._quiet, self._watch = settings, quiet, watch
        self._tasks = plan(settings) if tasks is None else tasks
        self._keys = keys
        self._pressed = ""
        """What the player has not been told yet."""
        self._waker = WakeupPipe()
        self._children: dict[str, ManagedProcess] = {}
        self._reached: dict[str, tuple[int, int]] = {}
        """Per stream: epoch, and the first seq that has no answer yet."""
        self._begun: float | None = None
        """When the first picture was judged."""
        self._markers = sorted(settings.markers, key=lambda marker: marker.at_s)
        self._stop_by: float | None = None
        self._kill_by: float | None = None
        self.failure: AffectlineError | None = None
        self.interrupted = False
        self.restarts: dict[str, int] = {}

    def run(self) -> None:
        """Run until every file has ended, something failed for good, or Ctrl-C.

        Raises:
            AffectlineError: A process gave up; everything is stopped by then.
        """
        # Asked before anything starts: our sources must not speak to somebody else's hub
        if taken := taken_ports(self._settings.hub):
            raise AffectlineError(
                f"cannot listen on port {'; '.join(taken)}",
                "stop the program that uses it (another affectline?) or choose others with --port",
            )
        listener = OutletSubscriber(self._settings.hub, ("emotion/", "stream/"))
        with self._waker:
            try:
                for task in self._tasks:
                    self._start(task)
                while self._children:
                    self._wait(listener)
                    for packet in listener.receive():
                        self._note(packet)
                    self._check()
            finally:
                for child in self._children.values():
                    child.kill()
                    child.listen()
                listener.close()
        if self.failure:
            raise self.failure

    def _start(self, task: ProcessSpec) -> None:
        delivery = self._settings.delivery or "lossless"
        stdout = sys.stderr if self._quiet else None
        self._children[task.name] = ManagedProcess(task, self._settings.hub, delivery, stdout)

    def _wait(self, listener: OutletSubscriber) -> None:
        others: list[Any] = [child.socket for child in self._children.values()]
        others += [self._waker.receiver, *((self._keys,) if self._keys else ())]
        listener.wait(others, CHECK_S)
        self._waker.drain()
        if self._keys:
            self._press(self._keys.read())

    def _press(self, keys: str) -> None:
        """Do what the user's keys say, when the player can hear: until then they would kill it."""
        if QUIT in keys:
            self._begin_stopping(FLUSH_S)
        self._pressed += keys
        player = self._children.get("replay")
        if player and player.ready:
            for key in self._pressed:
                if key in SIGNALS:
                    player.send_signal(SIGNALS[key])
            self._pressed = ""

    def _note(self, packet: Packet) -> None:
        message = packet.message
        if isinstance(message, Emotion):
            self._begun = self._begun or monotonic()
            self._reached[message.stream] = (message.epoch, message.seq + 1)
        if isinstance(message, (Emotion, StreamStart, StreamEnd)):
            self._watch(packet)

    def _check(self) -> None:
        if self._waker.stopping and not self.interrupted:
            self.interrupted = True
            self._begin_stopping(FLUSH_S)
        self._keep_to_the_plan()
        for child in list(self._children.values()):
            code = child.listen()
            pressed, child.pressed = child.pressed, ""
            self._press(pressed)
            if code is not None:
                self._on_death(child, code)
            elif child.silent and self._stop_by is None:
                child.kill()
        self._stop_in_time()

    def _keep_to_the_plan(self) -> None:
        """Set the markers that are due, and end the run when it is time."""
        if self._begun is None or self._stop_by is not None:
            return
        into_s = monotonic() - self._begun
        while self._markers and into_s >= self._markers[0].at_s:
            due = self._markers.pop(0)
            marker = Marker(
                session="session", at=now_ns(), label=due.label, source="plan", extra={**due.extra}
            )
            publish_once(self._settings.hub, Packet(marker))
        if self._settings.duration is not None and into_s >= self._settings.duration:
            self._begin_stopping(FLUSH_S)

    def _on_death(self, child: ManagedProcess, code: int) -> None:
        name, kind = child.task.name, child.task.kind
        del self._children[name]
        stopping = self._stop_by is not None
        if code == EXIT_GIVEN_UP and (kind in WRITERS or not stopping):
            self._fail(AffectlineError(f"{name}: {child.last_words}", ""))
        elif stopping or (code == 0 and kind in (*SOURCES, *WRITERS)):
            self._go_on_without(kind)
        elif kind != "replay" and child.may_restart():
            self._restart(child)
        else:
            problem = f"{name} died {len(child.restarts)} times within seconds (last exit {code})"
            self._fail(AffectlineError(problem, "see what it wrote to standard error above"))

    def _go_on_without(self, kind: str) -> None:
        """One has ended as it should: is the run over?"""
        left = {child.task.kind for child in self._children.values()}
        writing = bool(left & set(WRITERS))
        if self._stop_by is not None:
            if kind in WRITERS and not writing:
                self._stop_all()
        elif kind in WRITERS:
            self._begin_stopping(FINISH_S if writing else 0.0)
        elif kind == "replay" and writing:
            # Writers wait for the ends of streams; without a stream there is none
            self._begin_stopping(FINISH_S if self._settings.sources else FLUSH_S)
        elif not writing and not left & set(SOURCES):
            self._begin_stopping(0.0)

    def _restart(self, child: ManagedProcess) -> None:
        task = child.task
        self.restarts[task.name] = child.restarted
        if task.kind == "capture":
            source = SourceSettings.model_validate(task.arguments["source"])
            epoch, first_seq = self._reached.get(source.name, (task.arguments["epoch"], 0))
            if is_live(source.source) or source.loop:
                # New pictures: a new epoch, even where the clock was set back
                epoch, first_seq = max(now_ns() // 1_000_000, epoch + 1), 0
            task.arguments |= {"epoch": epoch, "first_seq": first_seq, "patient": True}
        child.start()
        self._children[task.name] = child

    def _fail(self, error: AffectlineError) -> None:
        self.failure = self.failure or error
        self._begin_stopping(0.0)

    def _begin_stopping(self, flush_s: float) -> None:
        """Stop the sources first, so that the sink can finish what is under way."""
        by = monotonic() + flush_s
        if self._stop_by is not None:
            self._stop_by = min(self._stop_by, by)
            return
        self._stop_by = by
        for child in self._children.values():
            if child.task.kind in SOURCES:
                child.stop()

    def _stop_in_time(self) -> None:
        now = monotonic()
        if self._stop_by is not None and now >= self._stop_by and self._kill_by is None:
            self._stop_all()
        if self._kill_by is not None and now >= self._kill_by:
            for child in self._children.values():
                child.kill()

    def _stop_all(self) -> None:
        if self._kill_by is None:
            self._kill_by = monotonic() + STOP_S
            for child in self._children.values():
                child.stop()
