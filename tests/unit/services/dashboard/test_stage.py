"""The page's markers reach the run that they were set in, or nobody says that they did."""

from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from affectline.common.errors import AffectlineError
from affectline.common.runtime.keeping import Outbox
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Marker, Packet, StreamStart
from affectline.services.dashboard.spec import DashboardProcess
from affectline.services.dashboard.stage import Dashboard
from affectline.services.web import server
from tests.samples import AT, EMOTION, EPOCH

FILM = StreamStart.example().model_copy(update={"epoch": EPOCH})
NEXT = FILM.model_copy(update={"epoch": EPOCH + 9, "session_start": FILM.session_start + 9})


class SilentServer:
    """A web server that serves nobody."""

    def __init__(self, *_: object) -> None:
        self.wrong_tokens = type("Counted", (), {"count": 0})

    def start(self) -> None: ...

    def check(self) -> None: ...

    def announce(self, _: str) -> list[str]:
        return []

    def open_browser(self) -> None: ...


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dashboard:
    monkeypatch.setattr(server, "WebServer", SilentServer)
    settings = PipelineSettings(dashboard=DashboardSettings(sessions=tmp_path))
    made = Dashboard(DashboardProcess(settings=settings))
    made.context = StageContext("dashboard", outbox=Outbox("dashboard", ("sink",)))
    made.setup()
    return made


def marker(label: str) -> Marker:
    return Marker(session="session", at=AT, label=label, source="page")


def published(stage: Dashboard) -> list[str]:
    return [packet.message.label for packet in stage.tick() if isinstance(packet.message, Marker)]


def test_without_a_pipeline_nothing_is_accepted(stage: Dashboard) -> None:
    with pytest.raises(AffectlineError, match=r"no hub on tcp://127\.0\.0\.1:5555"):
        stage._state.publish_marker("x")
    assert published(stage) == []


def test_markers_wait_for_a_hub_that_is_restarted(stage: Dashboard) -> None:
    stage.on_consumers_ready({"sink"})
    stage._watch.observe(FILM)
    stage.on_hub_lost()
    stage._enqueue(marker("meanwhile"))
    assert published(stage) == []
    assert not stage.may_send_again
    stage.on_consumers_ready({"sink"})
    assert published(stage) == [], "nobody knows yet whether it is the same run"
    stage._watch.observe(EMOTION)
    assert published(stage) == ["meanwhile"]
    assert stage.may_send_again
    list(stage.on_send_failed(Packet(marker("meanwhile"))))
    assert published(stage) == ["meanwhile"], "it is tried again"
    assert stage._state.lost_markers == ""


def test_another_run_gets_no_markers_of_the_last(
    stage: Dashboard, caplog: pytest.LogCaptureFixture
) -> None:
    stage.on_consumers_ready({"sink"})
    stage._watch.observe(FILM)
    stage.on_hub_lost()
    stage._enqueue(marker("too late"))
    outbox = stage.context.outbox
    assert outbox
    outbox.add(Packet(marker("on its way")), 0.0)
    stage._watch.observe(NEXT)
    assert not stage.may_send_again, "the outbox still has one of the last run"
    stage._enqueue(marker("first"))
    assert published(stage) == ["first"]
    assert outbox.is_empty
    told = "not stored: 'on its way', 'too late', set when the last run had gone"
    assert stage._state.lost_markers == told
    assert told in caplog.text
