"""The stage of the remote control: publishes the markers that clients set."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.logs import adopt
from affectline.common.runtime.recordings import recordings_among
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
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
        self._web: Any = None
        self._labrecorder: LabRecorderServer | None = None

    def setup(self) -> None:
        require_extra("affectline remote", "remote", "starlette", "uvicorn", "websockets")
        from affectline.services.remote.web import WebControl

        adopt("uvicorn", self.context.log)

        process = self._process
        self._clock = SessionClock(lambda: self.context.now())
        audit = Audit(process.audit_file.absolute(), "remote")
        self._controller = RemoteController(
            process.hub, self._present, lambda: self.context.wake(), audit
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
        return self._clock.now(), self._clock.newest is None

    def _describe(self) -> Mapping[str, Any]:
        now = monotonic()
        streams = sorted(name for name, at in self._seen.items() if now - at < FRESH_S)
        recorded = recordings_among(self.context.ready.copy())  # another thread changes the set
        return {"streams": streams, "recording": ", ".join(recorded) or None}

    @on(StreamStart, Emotion)
    def on_stream(self, packet: Packet) -> Iterable[Packet]:
        """Track the session's current time and its streams."""
        message = packet.message
        self._clock.observe(message)
        if isinstance(message, Emotion):
            self._seen[message.stream] = monotonic()
        return ()

    def tick(self) -> Iterator[Packet]:
        self.context.counters["wrong_tokens"] = self._web.door.wrong_tokens.count
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
