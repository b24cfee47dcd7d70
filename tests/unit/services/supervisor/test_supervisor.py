"""Names, defaults and plans."""

import re
import socket
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from affectline.common.errors import AffectlineError
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.runtime.spec import Run
from affectline.common.runtime.supervision import LINK_FD, SupervisorLink
from affectline.common.settings.pipeline import Display, PipelineSettings, SinkSettings, load
from affectline.common.settings.sources import name_sources
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Pause, Quit, Step
from affectline.common.wire.messages import Marker, Packet
from affectline.services.capture.spec import CaptureProcess
from affectline.services.fusion.spec import FusionProcess
from affectline.services.registry import SPECS
from affectline.services.sink.spec import SinkProcess
from affectline.services.supervisor import supervisor as module
from affectline.services.supervisor.plan import check_names, choose_display, complete, plan
from affectline.services.supervisor.process import ManagedProcess
from affectline.services.supervisor.supervisor import Supervisor
from tests.samples import PACKETS

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["sample"], ["sample"]),
        (["0", "1"], ["camera0", "camera1"]),
        (["a/drive 1.mp4"], ["drive-1"]),
        (["driver=0", "road=clips/road.mp4"], ["driver", "road"]),
        (["a.mp4", "b/a.mp4", "a.avi"], ["a", "a-2", "a-3"]),
        (["rtsp://user:word@10.0.0.7/cam?x=1"], ["10.0.0.7"]),
        (["http://h/v?name=x"], ["h"]),
        (["/tmp/été.mp4"], ["t"]),
        (["..."], None),
    ],
)
def test_streams_get_names_that_topics_and_files_can_bear(
    sources: list[str], names: list[str] | None
) -> None:
    named = name_sources(sources)
    assert len({source.name for source in named}) == len(sources)
    if names is not None:
        assert [source.name for source in named] == names


def test_a_name_that_no_topic_can_bear_is_refused() -> None:
    with pytest.raises(AffectlineError, match="--source a b=0: not a source"):
        name_sources(["a b=0"])


@pytest.mark.parametrize(
    ("sources", "display", "delivery", "pace"),
    [
        (["sample"], "none", "lossless", "fast"),
        (["sample"], "mp4", "lossless", "fast"),
        (["sample"], "window", "lossless", "realtime"),
        (["0"], "none", "live", "realtime"),
        (["sample", "0"], "none", "live", "realtime"),
    ],
)
def test_delivery_and_pace_follow_from_the_sources(
    sources: list[str], display: str, delivery: str, pace: str
) -> None:
    sink = SinkSettings(display=display)
    settings = complete(PipelineSettings(sources=name_sources(sources), sink=sink))
    assert (settings.delivery, settings.pace) == (delivery, pace)
    assert settings.sink.out is not None
    assert settings.sink.out.parent.name == "sessions"


def test_without_a_source_it_is_the_sample() -> None:
    assert complete(PipelineSettings()).sources[0].source == "sample"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    complete(PipelineSettings(sink=SinkSettings(out=tmp_path)))
    (tmp_path / "x").write_text("")
    with pytest.raises(AffectlineError, match="nothing is overwritten"):
        complete(PipelineSettings(sink=SinkSettings(out=tmp_path)))


def test_a_plan_has_a_process_for_every_part() -> None:
    settings = complete(PipelineSettings(sources=name_sources(["a.mp4", "b.mp4"])))
    settings = settings.model_copy(
        update={"classifier": settings.classifier.model_copy(update={"instances": 3})}
    )
    assert sorted(task.name for task in plan(Run(settings))) == [
        "capture/a", "capture/b", "classifier/1", "classifier/2", "classifier/3",
        "detector/a", "detector/b", "fusion", "hub", "sink",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_loads(path: Path) -> None:
    assert plan(Run(complete(load(path))))


def test_the_default_config_says_the_defaults() -> None:
    from_file = load(CONFIGS / "default.yaml")
    defaults = PipelineSettings(sources=name_sources(["sample"]))
    assert from_file == defaults
    written = yaml.safe_load((CONFIGS / "default.yaml").read_text())
    expected = defaults.model_dump(mode="json")
    expected["classifier"].pop("model")  # a place of the installation, told in a comment
    assert {k: set(v) if isinstance(v, dict) else v for k, v in written.items()} == {
        k: set(v) if isinstance(v, dict) else v for k, v in expected.items()
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("delivery: fast", r"delivery: .*got 'fast'"),
        ("hub: {port: 99999}", r"hub\.port: .*got 99999"),
        ("nonsense: 1", r"nonsense: there is no such setting: see configs/default\.yaml for every"),
        ("sources: [{name: a, source: x, zz: 1}]", r"sources\.0\.zz: .*; there are name, source, "),
        ("classifer: {answer: votes}", r"classifer: .*did you mean classifier\?$"),
        ("sources: [{name: a, surce: x}]", r"sources\.0\.surce: .*did you mean source\?"),
        ("classifier: {modle: x}", r"classifier\.modle: .*did you mean model\?"),
        ("sources: sample", "sources: is not a list: begin each of its entries with -"),
        ("biometrics: {driver: ble}", "biometrics: is not a list"),
        ("hub: 7000", r"hub: has no settings in it: write them as NAME: VALUE \(got 7000\)"),
        ("sources: [{name: a}]", r"sources\.0\.source: is missing"),
        ("study: {participant: 07}", r"participant: is not a text: write it in quotes \(got 7\)"),
        ("study: {session: 2024-01-05}", r"session: .* in quotes \(got 2024-01-05\)"),
        (
            "sink: {out: '${HOME}/x'}",
            r"sink\.out: \$\{HOME\} is not replaced: variables are for sour",
        ),
        ("sources: [{name: a, source: x}, {name: a, source: y}]", "two sources have the same name"),
        ("sources: [{name: a/b, source: x}]", r"sources\.0\.name"),
        ("a: [1", "is not YAML in line 1"),
        ("hub:\n\tport: 7000", "is not YAML in line 2, where a tab stands: indent with spaces"),
        (
            "pace: fast\nrate: 2\npace: realtime",
            "gives 'pace' twice, in lines 1 and 3; leave one out",
        ),
        ("biometrics:\n- {driver: ble, driver: lsl}", "gives 'driver' twice, in line 2"),
        ("sources:\n- {name: a, source: x, rtsp://a:b@h/: 1, rtsp://a:b@h/: 2}", "a setting twice"),
        ("- 1", "the file: "),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_wrong_config_is_one_clear_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(AffectlineError, match=says) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


NAMED = [
    ({"fusion": {"streams": {"fornt": "anna"}}}, "fusion.streams: the run has no stream 'fornt'"),
    ({"services": {"lsl": {"streams": ["frnt"]}}}, "lsl.streams: the run has no stream 'frnt'"),
    ({"services": {"lsl": {"subjects": ["anan"]}}}, "lsl.subjects: the run has no subject 'anan'"),
]
FRONT = {"sources": [{"name": "front", "source": "sample"}], "biometrics": [
    {"driver": "synthetic", "subject": "anna"}]}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), NAMED)
def test_a_stream_or_subject_that_a_run_does_not_have_is_an_error(
    content: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = PipelineSettings.model_validate(FRONT | content)
    with pytest.raises(AffectlineError, match=f"{re.escape(says)}: there are: .*(front|anna)"):
        check_names(settings.model_copy(update={"delivery": "lossless"}))
    check_names(settings.model_copy(update={"delivery": "live"}))
    assert says in caplog.text, "somebody may start it by hand"


def test_names_that_a_run_has_or_requires_are_accepted(caplog: pytest.LogCaptureFixture) -> None:
    content: dict[str, Any] = {
        "fusion": {"streams": {"front": "ben", "rear": "eva"}},
        "services": {"lsl": {"streams": ["front"], "subjects": ["anna", "ben", "person"]}},
        "require": ["rear"], "delivery": "lossless",
    }  # fmt: skip
    check_names(PipelineSettings.model_validate(FRONT | content))
    assert not caplog.records


def test_the_one_person_with_sensors_is_whom_the_faces_belong_to() -> None:
    def subject(*subjects: str) -> str | None:
        sensors = [{"driver": "synthetic", "subject": name} for name in subjects]
        settings = PipelineSettings.model_validate({"biometrics": sensors})
        (process,) = SPECS["fusion"].planned(Run(settings, "reanalysed"))
        assert isinstance(process, FusionProcess)
        return process.settings.subject

    assert subject("anna") == "anna"
    assert subject("anna", "bert") is None
    assert subject() is None
    replayed = Run(PipelineSettings(), "reanalysed", measured=frozenset({"anna"}))
    (process,) = SPECS["fusion"].planned(replayed)
    assert isinstance(process, FusionProcess)
    assert process.settings.subject == "anna"


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_several_streams_are_several_people(names: tuple[str, ...]) -> None:
    settings = {"sources": [{"name": name, "source": "0"} for name in names]}
    (process,) = SPECS["fusion"].planned(Run(PipelineSettings.model_validate(settings)))
    assert isinstance(process, FusionProcess)
    assert process.streams_are_people == (len(names) > 1)


def test_states_are_estimated_where_sensors_heads_or_eyes_are_measured(tmp_path: Path) -> None:
    def face_weights(source: str = "0", **settings: object) -> list[float]:
        sources = [{"name": "a", "source": source}]
        run = Run(PipelineSettings.model_validate({"sources": sources, **settings}))
        made = list(SPECS["fusion"].planned(run))
        assert run.has_fusion == bool(made)
        return [p.settings.face_weight for p in made if isinstance(p, FusionProcess)]

    sensors = [{"driver": "synthetic", "subject": "anna"}]
    assert face_weights() == [0], "by the face alone nervousness was never validated"
    assert face_weights(detector={"pose": False}) == face_weights(detector={"eyes": False}) == [0]
    assert face_weights(detector={"mesh": False}) == []
    assert face_weights(detector={"pose": False, "eyes": False}) == []
    assert face_weights(str(tmp_path)) == [], "pictures of a folder have no time"
    assert face_weights(detector={"mesh": False}, biometrics=sensors) == [0]
    heavier = {"face_weight": 0.5}
    assert face_weights(detector={"mesh": False}, biometrics=sensors, fusion=heavier) == [0.5]
    assert face_weights(fusion=heavier) == [0]


@pytest.mark.parametrize(
    ("source", "screen", "attended", "asked", "display"),
    [
        ("0", "", True, None, "browser"),
        ("0", ":0", True, None, "none"),
        ("0", "", False, None, "none"),  # --json: a script reads what comes of it
        ("drive.mp4", "", True, None, "none"),  # as fast as it goes: nobody could look
        ("0", "", True, "none", "none"),
        ("drive.mp4", "", False, "browser", "browser"),
        ("0", ":0", True, "window", "window"),
    ],
)
def test_the_page_opens_by_itself_where_somebody_watches_a_camera_without_a_screen(
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    screen: str,
    attended: bool,
    asked: Display | None,
    display: Display,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("affectline.services.supervisor.plan.find_spec", lambda _: True)
    sink = SinkSettings(display=asked)
    settings = PipelineSettings(sources=name_sources([source]), sink=sink)
    assert choose_display(settings, attended=attended).sink.display == display


def test_a_page_is_a_process_of_its_own_and_the_sink_shows_nothing() -> None:
    sink = SinkSettings(display="browser")
    settings = complete(PipelineSettings(sources=name_sources(["a.mp4"]), sink=sink))
    assert (settings.delivery, settings.pace) == ("lossless", "realtime")
    processes = {process.kind: process.settings for process in plan(Run(settings))}
    sink_process, capture = processes["sink"], processes["capture"]
    assert isinstance(sink_process, SinkProcess)
    assert sink_process.display == "none"
    assert "dashboard" in processes
    assert isinstance(capture, CaptureProcess)
    assert set(capture.consumers) == {"sink", "classifier", "fusion"}, "nobody waits for the page"


def test_a_childs_link_carries_heartbeats_and_why_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    monkeypatch.setenv(LINK_FD, str(theirs.detach()))
    link, child = SupervisorLink(), ManagedProcess.__new__(ManagedProcess)
    child.socket, child.ready, child.exit_reason = ours, False, ""
    child._log_ended = True
    link.beat()
    assert child.poll() is None
    assert not child.ready
    link.report_ready()
    link.beat()
    assert child.poll() is None
    assert child.ready
    assert not child.hangs
    link.report_fatal("-+. ! gone")
    assert child.poll() is None
    assert child.exit_reason == "-+. ! gone"
    link.close()
    ours.close()


class Outlet:
    """A connection to a hub that takes what it is given, once the target is there."""

    def __init__(self) -> None:
        self.ready: set[str] = set()
        self.published: list[Message] = []

    def is_ready(self, service: str) -> bool:
        return service in self.ready

    def pop_came(self) -> set[str]:
        return set()

    def publish(self, packet: Packet, *, to: str | None = None) -> bool:
        assert to is None, "nobody has to be told again"
        self.published.append(packet.message)
        return True


def test_commands_wait_for_a_player_that_is_still_starting() -> None:
    supervisor = Supervisor(PipelineSettings(), quiet=True, processes=[])
    outlet = Outlet()
    supervisor._outlet = cast(OutletSubscriber, outlet)
    supervisor._control("replay", Pause())
    supervisor._check()
    assert outlet.published == []
    outlet.ready.add("replay")
    supervisor._control("replay", Step())
    supervisor._check()
    supervisor._check()
    commands = [message for message in outlet.published if isinstance(message, Control)]
    assert [command.action for command in commands] == [Pause(), Step()]
    supervisor._wakeup.close()


def test_a_pipeline_can_be_asked_to_quit() -> None:
    supervisor = Supervisor(PipelineSettings(), quiet=True, processes=[])
    assert supervisor._stop_by is None
    list(supervisor.handle(Packet(Control(target="pipeline", at=0, action=Quit()))))
    assert supervisor._stop_by is not None
    supervisor._wakeup.close()


def test_markers_and_the_end_of_a_run_keep_to_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    markers = [{"at_s": 3.0, "label": "braking"}, {"at_s": 0.0, "label": "calibrate"}]
    settings = PipelineSettings.model_validate({"markers": markers, "duration": 6.0})
    supervisor = Supervisor(settings, quiet=True, processes=[])
    outlet = Outlet()
    supervisor._outlet = cast(OutletSubscriber, outlet)
    now_s = 100.0
    start = supervisor._schedule._start
    monkeypatch.setattr(module, "monotonic", lambda: now_s)
    monkeypatch.setattr(module, "now_ns", lambda: start + round((now_s - 100) * 1e9))
    list(supervisor.handle(PACKETS["Emotion"]))  # from here on, time counts

    def published_at(at_s: float) -> list[str]:
        nonlocal now_s
        now_s = 100.0 + at_s
        supervisor._check()
        return [message.label for message in outlet.published if isinstance(message, Marker)]

    assert published_at(0.0) == ["calibrate"]
    assert published_at(2.9) == ["calibrate"]
    assert published_at(3.0) == published_at(5.9) == ["calibrate", "braking"]
    assert supervisor._stop_by is None
    published_at(6.0)
    assert supervisor._stop_by is not None
    supervisor._wakeup.close()
