"""Runs the whole pipeline from one command: starts its processes, watches and stops them."""

import select
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.endpoints import claim_hub
from affectline.common.runtime.keeping import Outbox, keepers_among
from affectline.common.runtime.keyboard import Keyboard
from affectline.common.runtime.sockets import OutletSubscriber, taken_ports
from affectline.common.runtime.spec import Run
from affectline.common.runtime.stage import Handlers, on
from affectline.common.runtime.supervision import EXIT_GIVEN_UP
from affectline.common.runtime.tracing import TRACE
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.control import (
    PIPELINE,
    Control,
    Pause,
    Quit,
    Record,
    Step,
    StopRecording,
)
from affectline.common.wire.health import Health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import (
    Emotion,
    Marker,
    Packet,
    StreamEnd,
    StreamMessage,
    StreamStart,
)
from affectline.common.wire.recordings import RecordingStatus
from affectline.common.wire.watermark import Watermark
from affectline.services.supervisor.fork_server import start_order
from affectline.services.supervisor.forking import ForkServer
from affectline.services.supervisor.marker_schedule import MarkerSchedule
from affectline.services.supervisor.plan import plan, time_line_of
from affectline.services.supervisor.positions import StreamPositions
from affectline.services.supervisor.presence import StreamPresence
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec
from affectline.services.supervisor.recorder_control import RecorderControl

CHECK_S: Final = 0.25
GATHER_S: Final = 0.05
"""How long messages gather before they are read together, unless planned markers depend on them:
nothing else waits for this process, and each time it wakes up costs more than a message."""
FLUSH_S: Final = 1.5
"""How long writing the last frames may take after Ctrl-C."""
FINISH_S: Final = 10.0
"""How long processes that write a session may take for messages already received, once everything
else has ended."""
STOP_S: Final = 1.0
"""How long any other process may take to stop before it is killed."""

UNWATCHED_S: Final = 8.0
"""A finished run ends this long after its last page is closed: reloading a page takes less."""
PAGE: Final = "dashboard"

LOG: Final = ServiceLogger("supervisor")

REMINDER_S: Final = 5.0
"""How often missing required streams are logged."""

Observer = Callable[[Packet], None]


class Supervisor(Handlers):
    """Starts, watches and stops the processes of one pipeline run.

    Args:
        settings: Complete settings: with sources, delivery, pace and session folder.
        quiet: Keep the children's output off standard output.
        observe: Called with every `StreamStart`, `Emotion` and `StreamEnd`.
        processes: The processes to run, if not those of `plan`.
        keyboard: Keys that control a replay.
        on_over: Called when everything is written, and the run continues only for open pages.
        trace: Folder for the parts of a trace; None: none is recorded.
        fork_server: Forks the processes, and ends with the start; None: a new one.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        *,
        quiet: bool,
        observe: Observer = lambda _: None,
        processes: list[ProcessSpec] | None = None,
        keyboard: Keyboard | None = None,
        on_over: Callable[[], None] = lambda: None,
        trace: Path | None = None,
        fork_server: ForkServer | None = None,
    ) -> None:
        self._trace, self._fork_server = trace, fork_server
        self._settings, self._quiet, self._observe = settings, quiet, observe
        self._on_over = on_over
        self._viewers = 0
        self._pages: set[str] = set()
        """Processes that stay after the run while somebody has a page open: pages and the hub."""
        self._was_asked_to_quit = False
        # A short film may have ended before the browser shows its page
        self._opens_browser = settings.dashboard.opens_browser
        self._watched_at: float | None = None
        """When a page was last open after the run."""
        self._planned = plan(Run(settings)) if processes is None else processes
        self._presence = StreamPresence(settings.require)
        self._held: list[ProcessSpec] = []
        """The run's own recorder, until all required streams are present."""
        if settings.require and settings.delivery == "live" and processes is None:
            self._held = [process for process in self._planned if process.kind == "recorder"]
            recording = settings.recording.model_copy(update={"record": False})
            without = settings.model_copy(update={"recording": recording})
            # Sources must not wait for the recorder: it waits for their streams
            self._planned = plan(Run(without)) if self._held else self._planned
        self._next_reminder = 0.0
        self._is_followed = False
        """Whether the last wait ended with messages."""
        self._keyboard = keyboard
        self._outgoing: list[Packet] = []
        """Markers and commands that the hub has not accepted yet."""
        self._wakeup = WakeupPipe()
        self._children: dict[str, ManagedProcess] = {}
        writers = set(keepers_among(p.name for p in self._planned))
        self._markers = Outbox("supervisor", writers, markers_only=True)
        """Markers that would be lost if the hub died."""
        is_lossless = settings.delivery != "live"
        self._positions = StreamPositions(writers if is_lossless else set())
        self._first_answer_at: float | None = None
        self._schedule = MarkerSchedule(settings.markers, time_line_of(self._planned))
        self._stop_by: float | None = None
        self._kill_by: float | None = None
        self._recorder = RecorderControl(
            settings,
            settings.delivery or "lossless",
            lambda name: (settings.dashboard.sessions / name).absolute(),
            trace,
        )
        """Recordings that commands start, besides the run's own."""
        self.failure: AffectlineError | None = None
        self.interrupted = False
        self.restarts: dict[str, int] = {}

    def run(self) -> None:
        """Run until every file has ended, something failed for good, or Ctrl-C.

        Raises:
            AffectlineError: A process failed for good; everything is stopped by then.
        """
        # Checked before anything starts: our sources must not publish to somebody else's hub
        if taken := taken_ports(self._settings.hub):
            raise AffectlineError(
                f"cannot listen on port {'; '.join(taken)}",
                "stop the program that uses it (another affectline?) or choose others with --bind",
            )
        with claim_hub(self._settings.hub):
            self._run()

    def _run(self) -> None:
        self._outlet = OutletSubscriber(
            self._settings.hub,
            ("emotion/", "kept/", "marker/", "stream/", "watermark/", f"control/{PIPELINE}",
             f"health/{PAGE}",
             *self._presence.prefixes),
        )  # fmt: skip
        with self._wakeup:
            try:
                self._start_all()
                while self._children:
                    self._wait()
                    self._is_followed = False
                    for packet in self._outlet.receive():
                        self._is_followed = True
                        with TRACE.span("handle", packet.message, type(packet.message).__name__):
                            self._presence.observe(packet, monotonic())
                            self.handle(packet)
                    with TRACE.span("check"):
                        self._check()
            finally:
                for child in self._children.values():
                    child.kill()
                    child.poll()
                self._recorder.close(FINISH_S)
                self._outlet.close()
        if self._held and not self.failure:
            missing = ", ".join(self._presence.missing(monotonic())) or "the required streams"
            self.failure = AffectlineError(
                f"nothing was recorded: {missing} never appeared", "see require in the settings"
            )
        if self.failure:
            raise self.failure

    def stop(self) -> None:
        """Stop all processes properly, as after Ctrl-C; callable from any thread."""
        self._wakeup.stopping = True
        self._wakeup.wake()

    def _start_all(self) -> None:
        """Start the planned processes, forked from one that has imported what they need."""
        with ExitStack() as stack:
            server = self._fork_server or ForkServer.start_if_available()
            if server:
                stack.enter_context(server)
                counted = Counter(process.kind for process in self._planned)
                server.several = frozenset(kind for kind, count in counted.items() if count > 1)
            for process in sorted(self._planned, key=lambda process: start_order(process.kind)):
                self._start(process, server)

    def _start(self, process: ProcessSpec, server: ForkServer | None = None) -> None:
        delivery = self._settings.delivery or "lossless"
        stdout = sys.stderr if self._quiet else None
        child = ManagedProcess(process, self._settings.hub, delivery, stdout, self._trace, server)
        self._children[process.name] = child

    def _wait(self) -> None:
        others: list[Any] = [one for child in self._children.values() for one in child.waitables]
        others += [self._wakeup.receiver, *((self._keyboard,) if self._keyboard else ())]
        with TRACE.span("poll"):
            if self._is_followed and not self._settings.markers:
                select.select(others, [], [], GATHER_S)
            self._outlet.wait(others, CHECK_S)
        self._wakeup.drain()
        for action in self._keyboard.read() if self._keyboard else ():
            if isinstance(action, Quit):
                self._begin_stopping(FLUSH_S)
            else:
                self._control("replay", action)

    def _control(self, target: str, action: Pause | Step) -> None:
        self._outgoing.append(Packet(Control(target=target, at=now_ns(), action=action)))

    @on(Control)
    def on_control(self, packet: Packet[Control]) -> Iterable[Packet]:
        """Execute a command of a process or tool to the whole pipeline."""
        action = packet.message.action
        if isinstance(action, Quit):
            self._was_asked_to_quit = True
            self._wakeup.stopping = self._wakeup.stopping or bool(self._pages)
            self._begin_stopping(FLUSH_S)
        elif isinstance(action, StopRecording):
            self._recorder.stop()
        elif isinstance(action, Record) and self._stop_by is None:
            try:
                self._start_recording(action)
            except AffectlineError as error:
                LOG.warning("record %s: %s", action.session, error)
                refused = RecordingStatus(
                    session=action.session, at=now_ns(), state="refused", detail=str(error)[:1000]
                )
                self._outgoing.append(Packet(refused))
        return ()

    def _start_recording(self, action: Record) -> None:
        if missing := self._presence.missing(monotonic()):
            raise AffectlineError(
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required but missing",
                "start what is missing, or remove it from require",
            )
        self._recorder.start(
            action.session, action.consent, action.privacy, action.study, action.title
        )

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Record how far a stream has come."""
        emotion = packet.message
        self._first_answer_at = self._first_answer_at or monotonic()
        self._positions.on_answer(emotion)
        self._schedule.observe(emotion)
        self._observe(packet)
        return ()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterable[Packet]:
        """Note the progress of a recorded source: planned markers may be due."""
        self._schedule.observe(packet.message)
        return ()

    @on(Health)
    def on_health(self, packet: Packet[Health]) -> Iterable[Packet]:
        """Record how many pages are open."""
        if packet.message.service == PAGE:  # others are subscribed to for `require`
            self._viewers = packet.message.counters.get("viewers", 0)
        return ()

    @on(Kept)
    def on_kept(self, packet: Packet[Kept]) -> Iterable[Packet]:
        """Record that a consumer has messages on disk."""
        self._positions.on_kept(packet.message)
        self._markers.on_kept(packet.message)
        return ()

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Keep a marker until the consumers have it."""
        self._markers.add(packet, monotonic())
        return ()

    @on(StreamStart, StreamEnd)
    def on_stream(self, packet: Packet[StreamMessage]) -> Iterable[Packet]:
        """Pass the start or end of a stream to the observer."""
        self._observe(packet)
        return ()

    def _check(self) -> None:
        is_over = bool(self._pages) or self._watched_at is not None
        if self._wakeup.stopping and not (self.interrupted or is_over):
            self.interrupted = True
            self._begin_stopping(FLUSH_S)
        self._follow_schedule()
        self._publish_outgoing()
        for child in list(self._children.values()):
            code = child.poll()
            if code is not None:
                self._on_exit(child, code)
            elif child.hangs and self._stop_by is None and not child.is_killed:
                text = "%s has not responded for %.1f s and is killed"
                LOG.warning(text, child.process.name, child.silent_s)
                child.kill()
        self._recorder.tick(self._outlet.ready)
        self._outgoing += [Packet(status) for status in self._recorder.pop_statuses()]
        self._record_when_all_are_there()
        if self._recorder.problem:
            LOG.error("%s", self._recorder.problem)
            self._recorder.problem = ""
        self._stop_in_time()
        if self._pages and self._children.keys() <= self._pages:
            self._follow_pages()

    def _follow_pages(self) -> None:
        """After the run: end when the last page is closed, or on request."""
        now = monotonic()
        if self._watched_at is None:
            self._watched_at = now
            self._on_over()
        if self._viewers:
            self._watched_at = now
        is_unwatched = now - self._watched_at > UNWATCHED_S
        is_whole = self._children.keys() == self._pages
        if self._wakeup.stopping or is_unwatched or not is_whole:
            self._pages = set()
            self._kill_by = now + STOP_S
            for child in self._children.values():
                child.stop()

    def _record_when_all_are_there(self) -> None:
        """Start the run's own recorder once all required streams are present; log missing ones."""
        if not self._held or self._stop_by is not None:
            return
        now = monotonic()
        missing = self._presence.missing(now)
        if not missing:
            for process in self._held:
                self._start(process)
            self._held.clear()
            LOG.warning("all required streams are present: recording")
        elif now >= self._next_reminder:
            self._next_reminder = now + REMINDER_S
            LOG.warning("not recording yet: waiting for %s", ", ".join(missing))

    def _follow_schedule(self) -> None:
        """Set the markers that are due, and end the run after its duration."""
        if self._first_answer_at is not None and self._stop_by is None:
            self._outgoing += self._schedule.due(now_ns())
            duration_s = self._settings.duration
            elapsed_s = monotonic() - self._first_answer_at
            # Recorded sources end by themselves
            is_live = not self._schedule.is_recorded
            if duration_s is not None and is_live and elapsed_s >= duration_s:
                self._begin_stopping(FLUSH_S)
        for promise in self._schedule.promise(monotonic()):
            before = [p for p in self._outgoing if not isinstance(p.message, Watermark)]
            self._outgoing = [*before, promise]

    def _publish_outgoing(self) -> None:
        """Publish waiting messages in order, as far as the hub and their targets are ready."""
        waiting: list[Packet] = []
        is_blocked = False
        for packet in self._outgoing:
            message = packet.message
            if isinstance(message, Control):
                sent = self._outlet.is_ready(message.target) and self._outlet.publish(packet)
            else:  # a watermark promises that the markers before it have been published
                sent = not is_blocked and self._outlet.publish(packet)
                is_blocked = not sent
            if not sent:
                waiting.append(packet)
            elif isinstance(message, Marker):
                self._markers.add(packet, monotonic())
        self._outgoing = waiting
        missed = self._markers.on_ready(self._outlet.pop_came(), monotonic())
        overdue = self._markers.overdue(self._outlet.ready, monotonic())
        for service, packet in (*missed, *overdue):
            self._outlet.publish(packet, to=service)

    def _on_exit(self, child: ManagedProcess, code: int) -> None:
        name, spec = child.process.name, child.process.spec
        del self._children[name]
        stopping = self._stop_by is not None
        if code == EXIT_GIVEN_UP and (spec.role == "sink" or not stopping):
            self._fail(AffectlineError(f"{name}: {child.exit_reason}", ""))
        elif stopping or (code == 0 and spec.role in ("source", "sink")):
            self._continue_without(child.process)
        elif spec.restart == "always" and child.record_restart():
            self._restart(child, code)
        else:
            times = "" if child.restarts < 2 else f" {child.restarts} times within seconds"
            last = child.last_lines[-1] if child.last_lines else "it logged nothing"
            problem = f"{name} died{times} ({_exit_text(code)}): {last}"
            self._fail(AffectlineError(problem, "", details=tuple(child.last_lines)))

    def _continue_without(self, ended: ProcessSpec) -> None:
        """Handle a process that has ended properly: the run may be over."""
        roles = {child.process.spec.role for child in self._children.values()}
        is_writing = "sink" in roles
        if self._stop_by is not None:
            if ended.spec.role == "sink" and not is_writing:
                self._stop_all()
        elif ended.spec.role == "sink":
            self._begin_stopping(FINISH_S if is_writing else 0.0)
        elif ended.spec.restart == "never" and is_writing:
            # Writers wait for the ends of streams, but a replay may have no streams
            self._begin_stopping(FINISH_S if self._settings.sources else FLUSH_S)
        elif not is_writing and "source" not in roles:
            self._begin_stopping(0.0)

    def _restart(self, child: ManagedProcess, code: int) -> None:
        process = child.process
        self.restarts[process.name] = child.restarts
        LOG.warning("%s died (%s) and is restarted", process.name, _exit_text(code))
        position = self._positions.needed(process.settings.stream or "")
        settings = process.settings.resumed(position, now_ns())
        child.process = ProcessSpec(process.spec, settings)
        child.start()
        self._children[process.name] = child

    def _fail(self, error: AffectlineError) -> None:
        self.failure = self.failure or error
        self._begin_stopping(0.0)

    def _begin_stopping(self, flush_s: float) -> None:
        """Stop the sources first, so that the sinks can finish what is in flight."""
        by = monotonic() + flush_s
        if self._stop_by is not None:
            self._stop_by = min(self._stop_by, by)
            return
        self._stop_by = by
        for child in self._children.values():
            if child.process.spec.role == "source":
                child.stop()

    def _stop_in_time(self) -> None:
        now = monotonic()
        if self._stop_by is not None and now >= self._stop_by and self._kill_by is None:
            self._stop_all()
        if self._kill_by is not None and now >= self._kill_by:
            for name, child in self._children.items():
                if not child.is_killed and name not in self._pages:
                    self._kill_unless_writing(child, now - self._kill_by)

    def _kill_unless_writing(self, child: ManagedProcess, late_s: float) -> None:
        """Kill a process that has not stopped in time; one that writes a session gets longer."""
        if child.process.spec.role == "sink":
            if late_s < FINISH_S and not child.hangs:
                return
            self._fail(
                AffectlineError(
                    f"{child.process.name} did not finish within "
                    f"{STOP_S + late_s:.0f} s and was killed",
                    "the end of its files may be missing: affectline check verifies a recording",
                )
            )
        child.kill()

    def _stop_all(self) -> None:
        if self._kill_by is None:
            self._kill_by = monotonic() + STOP_S
            self._recorder.stop()
            is_watched = self._viewers or self._opens_browser
            if is_watched and not (self.interrupted or self.failure or self._was_asked_to_quit):
                kinds = {name: child.process.kind for name, child in self._children.items()}
                self._pages = {name for name, kind in kinds.items() if kind in (PAGE, "hub")}
            for name, child in self._children.items():
                if name not in self._pages:
                    child.stop()


def _exit_text(code: int) -> str:
    """An exit code in words; negative ones are signals."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
