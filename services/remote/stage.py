"""The stage of the remote control: publishes the markers that clients set."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.logs import adopt
from affectline.common.runtime.recordings import recordings_among
from affectline.common.runtime.run_watch import RunWatch, describe_lost
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import (
    Emotion,
    Marker,
    Packet,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.services.remote.controller import RemoteController
from affectline.services.remote.labrecorder import LabRecorderServer
from affectline.services.remote.spec import RemoteProcess
from affectline.services.web import certificate
from affectline.services.web.audit import Audit
from affectline.services.web.token import load_or_create

FRESH_S = 5.0
"""A stream without a result for this long counts as gone."""


class Remote(Stage):
    """Accepts markers and recordings from other programs."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Marker: "bus"}
    measures_latency = False
    tick_ms = 100

    def __init__(self, process: RemoteProcess) -> None:
        self._process = process
        self._seen: dict[str, float] = {}
        self._watch = RunWatch(process.hub)
        self._lock = threading.Lock()
        """Clients ask for the time in other threads."""
        self._web: Any = None
        self._labrecorder: LabRecorderServer | None = None

    def topic(self, kind: type[Message]) -> str | None:
        return f"{Health.topic_prefix}/hub" if kind is Health else super().topic(kind)

    def setup(self) -> None:
        require_extra("affectline remote", "remote", "starlette", "uvicorn", "websockets")
        from affectline.services.remote.web import WebControl

        adopt("uvicorn", self.context.log)

        process = self._process
        self._clock = SessionClock(lambda: self.context.now())
        audit = Audit(process.audit_file.absolute(), "remote")
        self._controller = RemoteController(
            process.hub, self._present, lambda: self.context.wake(), audit, self._watch.require
        )
        encryption = None
        if process.tls or process.certificate:
            names = (process.host,)
            encryption = certificate.choose(process.certificate, process.private_key, names)
        token = load_or_create(process.token_file.absolute())
        self._web = WebControl(
            process.host,
            process.port,
            token.text,
            process.origins,
            self._controller,
            self._describe,
            encryption,
        )  # fmt: skip
        self._web.start()
        self._wait_until_it_listens()
        if process.labrecorder_port is not None and process.host in ("127.0.0.1", "localhost"):
            self._labrecorder = LabRecorderServer(process.labrecorder_port, self._controller)
            serving = threading.Thread(
                target=self._labrecorder.serve_forever, name="labrecorder", daemon=True
            )
            serving.start()
        where = f"{'https' if encryption else 'http'}://{process.host}:{process.port}"
        text = "remote control at %s, its token is in %s"
        self.context.log.warning(text, where, process.token_file.absolute())
        if encryption:
            text = "its certificate is %s, SHA-256 fingerprint %s"
            self.context.log.warning(text, encryption.file, encryption.fingerprint)

    def _wait_until_it_listens(self) -> None:
        while not self._web.is_listening:
            self._web.join(timeout=0.02)
            if not self._web.is_alive():
                raise AffectlineError(
                    f"remote: cannot listen on {self._process.host} port {self._process.port}",
                    "stop the program that uses it, or choose another port with --bind",
                )

    def _present(self) -> tuple[int, bool]:
        with self._lock:
            return self._clock.now(), self._clock.newest is None

    def _describe(self) -> Mapping[str, Any]:
        now = monotonic()
        with self._lock:
            streams = sorted(name for name, at in self._seen.items() if now - at < FRESH_S)
        recorded = recordings_among(self.context.ready.copy())  # another thread changes the set
        return {"streams": streams, "recording": ", ".join(recorded) or None}

    @on(Health, StreamStart, StreamEnd, StreamDone, Emotion)
    def on_stream(self, packet: Packet) -> Iterable[Packet]:
        """Track the session's current time, its streams, and whether the hub is there."""
        message = packet.message
        if self._watch.observe(message):
            self._begin_run()
        with self._lock:
            self._clock.observe(message)
            if isinstance(message, Emotion):
                self._seen[message.stream] = monotonic()
        return ()

    @property
    def may_send_again(self) -> bool:
        return self._watch.is_sure

    def on_hub_lost(self) -> None:
        self._watch.lose_hub()

    def on_consumers_ready(self, services: set[str]) -> Iterable[Packet]:
        if self._watch.find_hub():
            self._begin_run()
        return ()

    def _begin_run(self) -> None:
        """Forget the run of before, and the markers that it did not take."""
        with self._lock:
            self._clock.clear()
            self._seen.clear()
        outbox = self.context.outbox
        kept = [packet.message for packet in outbox.clear()] if outbox else []
        lost = [*kept, *self._controller.pop_markers()]
        if lost:
            self.context.log.warning("%s", describe_lost(lost))

    def tick(self) -> Iterator[Packet]:
        self.context.counters["wrong_tokens"] = self._web.door.wrong_tokens.count
        if not self._watch.is_sure:  # the markers would go to another run
            return
        for marker in self._controller.pop_markers():
            self.context.counters["markers"] += 1
            yield Packet(marker)

    def stop(self) -> Iterator[Packet]:
        yield from self.tick()

    def cleanup(self) -> None:
        if self._labrecorder is not None:
            self._labrecorder.shutdown()
            self._labrecorder.server_close()
        if self._web is not None:
            self._web.stop()
