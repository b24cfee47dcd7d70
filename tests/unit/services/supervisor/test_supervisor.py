"""Names, defaults and plans."""

import socket
from pathlib import Path
from typing import cast

import pytest
import yaml

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.keyboard import PAUSE, STEP
from affectline.common.runtime.supervision import LINK_FD, SupervisorLink
from affectline.common.settings.pipeline import Display, PipelineSettings, SinkSettings, load
from affectline.services.supervisor.plan import choose_display, complete, fusion, name_sources, plan
from affectline.services.supervisor.process import ManagedProcess
from affectline.services.supervisor.supervisor import Supervisor

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["sample"], ["sample"]),
        (["0", "1"], ["camera0", "camera1"]),
        (["a/drive 1.mp4"], ["drive-1"]),
        (["driver=0", "road=clips/road.mp4"], ["driver", "road"]),
        (["a.mp4", "b/a.mp4", "a.avi"], ["a", "a-2", "a-3"]),
        (["rtsp://user:word@10.0.0.7/cam?x=1"], ["10.0.0.7-cam"]),
        (["http://h/v?name=x"], ["h-v"]),
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
    assert sorted(task.name for task in plan(settings)) == [
        "capture/a", "capture/b", "classifier/1", "classifier/2", "classifier/3",
        "detector/a", "detector/b", "hub", "sink",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_loads(path: Path) -> None:
    assert plan(complete(load(path)))


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
        ("nonsense: 1", "nonsense: "),
        ("sources: [{name: a, source: x}, {name: a, source: y}]", "two sources have the same name"),
        ("sources: [{name: a/b, source: x}]", r"sources\.0\.name"),
        ("a: [1", "is not YAML in line 1"),
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


def test_the_one_person_with_sensors_is_whom_the_faces_belong_to() -> None:
    def subject(*subjects: str) -> str | None:
        sensors = [{"driver": "synthetic", "subject": name} for name in subjects]
        settings = PipelineSettings.model_validate({"biometrics": sensors})
        found: str | None = fusion(settings).arguments["settings"]["subject"]
        return found

    assert subject("anna") == "anna"
    assert subject("anna", "bert") is None
    assert subject() is None


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
    tasks = {task.kind: task for task in plan(settings)}
    assert tasks["sink"].arguments["display"] == "none"
    assert "dashboard" in tasks
    capture = tasks["capture"].arguments["consumers"]
    assert "dashboard" not in capture, "nobody waits for it"


def test_keys_of_a_child_s_window_come_over_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    monkeypatch.setenv(LINK_FD, str(theirs.detach()))
    link, child = SupervisorLink(), ManagedProcess.__new__(ManagedProcess)
    child.socket, child.ready, child.last_words, child.pressed = ours, False, "", ""
    link.beat()
    link.press(" ")
    link.ready()
    link.press(".")
    link.beat()
    assert child.listen() is None
    assert (child.ready, child.pressed) == (True, " .")
    link.give_up("-+. ! gone")
    assert child.listen() is None
    assert (child.pressed, child.last_words) == (" .", "-+. ! gone")

    launcher, told = Supervisor(PipelineSettings(), quiet=True, tasks=[]), list[str]()
    monkeypatch.setattr(launcher, "_press", told.append)
    child._heard = monotonic()
    launcher._children["sink"] = child
    launcher._check()
    launcher._check()
    assert told == [" .", ""]
    launcher._waker.close()
    link.close()
    ours.close()


def test_keys_wait_for_a_player_that_is_still_starting() -> None:
    class Player:
        def __init__(self) -> None:
            self.ready = False
            self.told: list[int] = []

        def send_signal(self, number: int) -> None:
            assert self.ready, "it would die of it"
            self.told.append(number)

    player = Player()
    launcher = Supervisor(PipelineSettings(), quiet=True, tasks=[])
    launcher._children["replay"] = cast(ManagedProcess, player)
    launcher._press(" x")
    player.ready = True
    launcher._press("")
    launcher._press(".")
    launcher._waker.close()
    assert player.told == [PAUSE, STEP]
