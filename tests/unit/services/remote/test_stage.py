"""Markers of experiments reach the run that they were set in, or they are refused."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the remote control needs its extra")

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.stage import StageContext
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Marker, Packet, StreamDone, StreamEnd, StreamStart
from affectline.services.remote import web
from affectline.services.remote.spec import RemoteProcess
from affectline.services.remote.stage import Remote
from tests.samples import AT, EMOTION, EPOCH

FILM = StreamStart.example().model_copy(update={"epoch": EPOCH})
OF_FILM = {"stream": FILM.stream, "epoch": EPOCH}
END = StreamEnd.example().model_copy(update=OF_FILM)
DONE = StreamDone.example().model_copy(update=OF_FILM)
CAMERA = FILM.model_copy(
    update={"stream": "cam", "epoch": EPOCH + 9, "session_start": AT + 9, "kind": "camera"}
)
CLOCK = 77


class SilentControl:
    """A web server that serves nobody."""

    is_listening = True

    def __init__(self, *_: object) -> None:
        self.door: Any = type("Door", (), {"wrong_tokens": type("Counted", (), {"count": 0})})

    def start(self) -> None: ...


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setattr(web, "WebControl", SilentControl)
    monkeypatch.chdir(tmp_path)
    made = Remote(RemoteProcess(labrecorder_port=None))
    made.context = StageContext("remote", now=lambda: CLOCK, outbox=Outbox("remote", ("sink",)))
    made.setup()
    return made


def hear(remote: Remote, *messages: Message) -> None:
    for message in messages:
        list(remote.handle(Packet(message)))


def mark(remote: Remote, label: str) -> int:
    return remote._controller.mark(label, "http", {}).at


def published(remote: Remote) -> list[str]:
    return [packet.message.label for packet in remote.tick() if isinstance(packet.message, Marker)]


def test_a_marker_needs_a_pipeline_that_goes_on(remote: Remote) -> None:
    with pytest.raises(AffectlineError, match=r"no hub on tcp://127\.0\.0\.1:5555"):
        mark(remote, "nobody")
    remote.on_consumers_ready({"sink"})
    hear(remote, FILM, EMOTION, END)
    assert mark(remote, "at the end") == EMOTION.captured_at, "its last frame was just seen"
    hear(remote, DONE)
    with pytest.raises(AffectlineError, match=r"the run on .* has finished"):
        mark(remote, "afterwards")
    assert published(remote) == ["at the end"]


def test_beside_a_camera_after_a_film_a_marker_has_the_time_of_the_clock(remote: Remote) -> None:
    remote.on_consumers_ready({"sink"})
    hear(remote, FILM, EMOTION, END, DONE, CAMERA)
    assert mark(remote, "x") == CLOCK
    assert remote._describe()["streams"] == []


def test_markers_wait_for_a_hub_that_is_restarted(remote: Remote) -> None:
    remote.on_consumers_ready({"sink"})
    hear(remote, FILM, EMOTION)
    remote.on_hub_lost()
    mark(remote, "meanwhile")
    remote.on_consumers_ready({"sink"})
    assert published(remote) == []
    hear(remote, EMOTION)
    assert published(remote) == ["meanwhile"]


def test_another_run_gets_no_markers_of_the_last(
    remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    remote.on_consumers_ready({"sink"})
    hear(remote, FILM, EMOTION)  # it is killed: its end is never published
    remote.on_hub_lost()
    mark(remote, "too late")
    remote.on_consumers_ready({"sink"})
    hear(remote, CAMERA)
    assert published(remote) == []
    assert "not stored: 'too late', set when the last run had gone" in caplog.text
    assert mark(remote, "first") == CLOCK
    assert published(remote) == ["first"]


def test_the_status_names_the_recording_whoever_started_it() -> None:
    stage = Remote(RemoteProcess())
    stage.context = StageContext("remote", ready={"sink", "recorder"})
    assert stage._describe()["recording"] is None
    stage.context.ready.add("recorder/p07")
    assert stage._describe()["recording"] == "p07"
    stage.context.ready.discard("recorder/p07")
    assert stage._describe()["recording"] is None


def test_a_marker_that_is_sent_again_is_published_once(remote: Remote) -> None:
    remote.on_consumers_ready({"sink"})
    hear(remote, FILM, EMOTION)
    first = remote._controller.mark("trial", "websocket", {}, 0.0, "page-1")
    hear(remote, EMOTION.model_copy(update={"captured_at": EMOTION.captured_at + 5}))
    assert remote._controller.mark("trial", "websocket", {}, 0.0, "page-1") == first
    remote._controller.mark("trial", "websocket", {}, 0.0, "page-2")
    assert published(remote) == ["trial", "trial"]
