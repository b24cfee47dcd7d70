"""``affectline.watch``, ``mark``, ``record`` and ``stop``: a running pipeline."""

import os
import queue
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import MOST_TYPED
from affectline.common.runtime.marking import HUB_PATIENCE_S, connect, publish_now
from affectline.common.runtime.recordings import make_record, start_recording, stop_recording
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings, parse_hub
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.common.settings.recording import Privacy
from affectline.common.settings.source_kind import check_readable
from affectline.common.settings.sources import name_sources
from affectline.common.wire.base import Message
from affectline.common.wire.messages import (
    Emotion,
    Marker,
    Packet,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.services.api.arguments import check_path, check_text, named_as_in_python
from affectline.services.supervisor.plan import complete
from affectline.services.supervisor.supervisor import Supervisor

HUB: Final = re.compile(r"tcp://[^/]+|[\w.-]+:\d{2,5}")
"""Texts that are the address of a hub, not a source."""
WAITING_RESULTS: Final = 300
"""Maximum of results queued for a slow reader; then the oldest is dropped."""
NOTHING_NOTED: Final = "none noted: recording started by a program"
POLL_S: Final = 0.1
GONE_S: Final = 10.0
"""How long a hub may be away, in s: one that dies or hangs is replaced in this time."""


def watch(
    source: int | str | os.PathLike[str] = 0,
    *,
    config: str | os.PathLike[str] | None = None,
) -> Iterator[Emotion]:
    """Yield results as they arrive, from a camera or from a running pipeline.

    A camera, network stream or film starts its own pipeline, which other tools can subscribe to and
    which `mark` and `record` can reach; it ends with the loop. Only `record` writes files. The loop
    over a running pipeline ends with that pipeline.

    Args:
        source: A camera's number, a film, an RTSP or HTTP address; or the address of a running
            hub, such as ``tcp://127.0.0.1:5555`` or ``192.168.1.20``: its first port, as for
            `mark`, or its second, which other tools subscribe to.
        config: A settings file, as for ``affectline up``.

    Yields:
        An `Emotion` for every frame, in order: ``captured_at`` in ns since the Unix epoch, and
        ``faces``, each with ``track``, ``box`` in pixels, ``label``, ``confidence``, the seven
        ``probabilities`` (0 to 1), ``valence`` and ``arousal`` (-1 to 1). If the loop is slower
        than the frames, the oldest queued results are dropped.

    Raises:
        AffectlineError: The camera or the hub is not available, the hub went away before its
            streams had ended, or a process failed permanently.

    Example:
        >>> for emotion in watch(0):  # doctest: +SKIP
        ...     for face in emotion.faces:
        ...         print(face.track, face.label, face.valence)
    """
    with named_as_in_python():
        is_camera = isinstance(source, int) and not isinstance(source, bool)
        if not is_camera:
            check_path("", source)
        if config is not None:
            check_path("config", config)
        text = str(source) if isinstance(source, int) else os.fspath(source)
        if HUB.fullmatch(text) and not os.path.lexists(text):
            yield from _watch_hub(_find_hub(text))
        else:
            yield from _watch_source(text, config)


def _watch_source(text: str, config: str | os.PathLike[str] | None) -> Iterator[Emotion]:
    """Run a pipeline for a source."""
    settings = load(Path(config)) if config is not None else PipelineSettings()
    with tempfile.TemporaryDirectory(prefix="affectline-") as scratch:
        sources, folder = name_sources([text]), Path(scratch) / "session"
        check_readable(sources[0].source)
        sink = settings.sink.model_copy(update={"out": folder, "display": "none"})
        settings = complete(settings.model_copy(update={"sources": sources, "sink": sink}))
        if any(one.is_live for one in sources):  # a film ends only when its results are written
            sink = sink.model_copy(update={"out": None})
        yield from _watch_pipeline(settings.model_copy(update={"sink": sink}))


def _watch_pipeline(settings: PipelineSettings) -> Iterator[Emotion]:
    """Run a pipeline in parallel to this thread; it ends when the iterator is closed."""
    waiting: queue.Queue[Emotion | BaseException | None] = queue.Queue()

    def observe(packet: Packet) -> None:
        if isinstance(packet.message, Emotion):
            while waiting.qsize() >= WAITING_RESULTS:
                waiting.get_nowait()
            waiting.put(packet.message)

    supervisor = Supervisor(settings, quiet=True, observe=observe)

    def run() -> None:
        try:
            supervisor.run()
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    thread = threading.Thread(target=run, name="pipeline", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        supervisor.stop()
        thread.join()


def _watch_hub(hub: HubSettings) -> Iterator[Emotion]:
    with _Listener(hub, ("emotion/", "stream/")) as outlet:
        if not connect(outlet):
            raise _no_hub(f"{hub.host}:{hub.port}")
        streams, lost_at = _StreamEnds(), None
        while True:
            outlet.wait(timeout_s=POLL_S)
            for packet in outlet.receive():
                streams.add(packet.message)
                if isinstance(packet.message, Emotion):
                    yield packet.message
            if outlet.is_connected:
                lost_at = None
                continue
            if streams.are_done:
                return
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > GONE_S:
                raise AffectlineError(
                    f"the hub on {hub.outlet} is gone, before its streams had ended",
                    "see affectline's log on its machine, start it again, and watch it again",
                )


class _StreamEnds:
    """Which streams of a hub have ended, with all of their results."""

    def __init__(self) -> None:
        self._done: dict[str, bool] = {}
        self._last_seq: dict[str, int] = {}
        """By stream that has ended: its last frame."""

    @property
    def are_done(self) -> bool:
        """Whether there was a stream, and all have ended."""
        return bool(self._done) and all(self._done.values())

    def add(self, message: Message) -> None:
        match message:
            case StreamStart():
                self._done[message.stream] = False
                self._last_seq.pop(message.stream, None)
            case StreamEnd():
                self._last_seq[message.stream] = message.last_seq
                self._done.setdefault(message.stream, False)
            case StreamDone():
                self._done[message.stream] = True
            case Emotion():
                last_seq = self._last_seq.get(message.stream)
                is_last = last_seq is not None and message.seq >= last_seq
                self._done[message.stream] = self._done.get(message.stream, False) or is_last


@named_as_in_python()
def mark(label: str, *, hub: str | None = None, **fields: JsonValue) -> str:
    """Set a marker at the current time of a running session.

    With a camera this is the time of the call; while a film is analysed or a recording is replayed,
    it is the time of the newest frame.

    Args:
        label: Label of the marker, 1 to 1000 characters.
        hub: ``HOST`` or ``HOST:PORT`` of the pipeline's hub; by default ``127.0.0.1:5555``.
        fields: Further fields of the marker.

    Returns:
        The time, in words.

    Raises:
        AffectlineError: There is no hub, or the label is invalid.

    Example:
        >>> mark("hard braking", speed=63.5, road="wet")  # doctest: +SKIP
        'second 12.480 (2026-11-28 10:15:12)'
    """
    _check_hub(hub)
    try:
        marker = Marker(session="session", at=now_ns(), label=label, source="python", extra=fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise AffectlineError(
            f"{first['loc'][0]} {first.get('input')!r}: {first['msg']}",
            "a label has 1 to 1000 characters; fields are texts, numbers, lists or tables",
        ) from error
    return publish_now(parse_hub(hub), marker)


_RECORD_FIXES: Final = {
    "title": f"a session's name has at most {MOST_TYPED} characters",
    "study": "participant, condition and so on are texts, even if they are numbers: '07'",
    "consent": "give a text that says who agreed, when and how",
}


@named_as_in_python()
def record(
    session: str,
    *,
    consent: str = NOTHING_NOTED,
    privacy: Privacy = "everything",
    hub: str | None = None,
    **study: str,
) -> str:
    """Start recording a running pipeline; returns when the recorder is running.

    Args:
        session: Any name for the new session. The name of its folder, below the pipeline's folder
            of sessions, is derived from it.
        consent: Who agreed to be recorded, when and how; stored in the recording.
        privacy: Keep ``everything``, ``blurred`` faces, or no images (``features``).
        hub: As for `mark`.
        study: The session's place in a study: ``participant="07"``, ``condition="rain"``, ...

    Returns:
        The name of the session's folder.

    Raises:
        AffectlineError: There is no pipeline, or it refuses because another recording is running
            or a required stream is missing.
    """
    check_text("session", session)
    _check_hub(hub)
    where = parse_hub(hub)
    try:
        action = make_record(session, privacy=privacy, consent=consent, study=study)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise AffectlineError(
            f"{name} {first.get('input')!r}: {first['msg']}", _RECORD_FIXES.get(name, "")
        ) from error
    return start_recording(where, action)


@named_as_in_python()
def stop(*, hub: str | None = None) -> None:
    """Finish the recording that `record` started; returns when its file is complete.

    Args:
        hub: As for `mark`.

    Raises:
        AffectlineError: There is no pipeline, nothing is being recorded, or the recording does not
            finish.
    """
    _check_hub(hub)
    stop_recording(parse_hub(hub))


def _check_hub(hub: str | None) -> None:
    """Check that an argument can be the address of a hub.

    Raises:
        AffectlineError: It is not a text.
    """
    if hub is not None:
        check_text("hub", hub)


class _Listener:
    """A context manager that always closes its outlet subscriber."""

    def __init__(self, hub: HubSettings, prefixes: tuple[str, ...]) -> None:
        self._outlet = OutletSubscriber(hub, prefixes)

    def __enter__(self) -> OutletSubscriber:
        return self._outlet

    def __exit__(self, *_: object) -> None:
        self._outlet.close()


def _find_hub(address: str) -> HubSettings:
    """The running hub with an address: that of its first port, or of its outlet, the second one.

    Raises:
        AffectlineError: There is none.
    """
    hub = parse_hub(address)
    has_port = ":" in address.removeprefix("tcp://")
    ports = (hub.port - 1, hub.port) if has_port and hub.port > 1 else (hub.port,)
    with ExitStack() as opened:
        outlets = [
            (one, opened.enter_context(_Listener(one, ())))
            for one in (hub.model_copy(update={"port": port}) for port in ports)
        ]
        deadline = time.monotonic() + HUB_PATIENCE_S
        while time.monotonic() < deadline:
            for one, outlet in outlets:
                if outlet.is_connected:
                    return one
                outlet.wait(timeout_s=POLL_S)
                deque(outlet.receive(), maxlen=0)  # unread messages would end the next wait at once
    raise _no_hub(address.removeprefix("tcp://"))


def _no_hub(where: str) -> AffectlineError:
    return AffectlineError(f"no hub on {where}", "start affectline up, or affectline.watch, first")
