"""What a replay is asked to be: its arguments, and the plan that follows."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.writer import SessionWriter
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import Marker, Packet, StreamEnd, StreamStart
from affectline.services.fusion.spec import FusionProcess
from affectline.services.replay.spec import ReplaySettings
from affectline.services.supervisor.replay_plan import parse_rate, parse_time, plan_replay, prepare
from tests.samples import PACKETS


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A second between the start and the end of a stream."""
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    start = StreamStart(
        stream="s",
        epoch=1,
        started_at=0,
        received_at=0,
        session_start=0,
        kind="film",
        source="0",
        live=True,
    )
    end = StreamEnd(
        stream="s", epoch=1, ended_at=10**9, received_at=10**9, last_seq=0, reason="end"
    )
    for message, at in ((start, 0), (end, 10**9)):
        writer.add(type(message).__name__, codec.encode(Packet(message)), at, at)
    writer.finish()
    return tmp_path / "s.mcap"


def test_a_beginning_behind_the_end_is_refused(session: Path) -> None:
    with pytest.raises(AffectlineError, match=r"--from 30s: the recording ends at 1.0 s"):
        prepare(PipelineSettings(), ReplaySettings(file=session, begin_s=30))


def test_a_reanalysis_of_what_it_does_not_feed_in_is_refused(session: Path) -> None:
    with pytest.raises(AffectlineError, match="no message to replay"):
        prepare(
            PipelineSettings(),
            ReplaySettings(file=session, topics=("emotion/",), reanalyse=True),
        )


def test_what_is_to_be_shown_or_recorded_has_a_folder(session: Path) -> None:
    replay = ReplaySettings(file=session)
    assert prepare(PipelineSettings(), replay).sink.out is None
    for given in ({"sink": {"display": "mp4"}}, {"recording": {"record": True}}):
        settings = prepare(PipelineSettings.model_validate(given), replay)
        assert settings.sink.out is not None
        assert settings.sink.out.name.endswith("-s")
        assert {"sink", "hub", "replay"} <= {t.kind for t in plan_replay(settings, replay)}


@pytest.mark.parametrize(
    ("was", "asked", "kept"),
    [
        ("everything", "everything", "everything"), ("everything", "blurred", "blurred"),
        ("blurred", "everything", "blurred"), ("features", "blurred", "features"),
        (None, "blurred", "blurred"), ([1], "everything", "everything"),
    ],
)  # fmt: skip
def test_a_copy_says_of_itself_no_more_than_there_was(
    was: object, asked: str, kept: str, tmp_path: Path
) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": was})
    marker = Packet(Marker(session="s", at=1, label="x"))
    writer.add("Marker", codec.encode(marker), 1, 1)
    writer.finish()
    given = PipelineSettings.model_validate({"recording": {"record": True, "privacy": asked}})
    settings = prepare(given, ReplaySettings(file=tmp_path / "s.mcap"))
    assert settings.recording.privacy == kept


def test_a_recorded_replay_is_of_the_same_participant_and_names_its_source(tmp_path: Path) -> None:
    study = {"participant": "07", "condition": "rain", "car": "red"}
    fusion = {"streams": {"front": "driver"}}
    about = {"study": study, "title": "Test drive", "settings": {"fusion": fusion}}
    given = PipelineSettings.model_validate(
        {"recording": {"record": True}, "study": {"condition": "snow"}}
    )
    for name, own in (("drive", about), ("again", about | {"replay_of": "drive"})):
        (tmp_path / name).mkdir()
        writer = SessionWriter(tmp_path / name / "session.mcap", own)
        marker = Packet(Marker(session="s", at=1, label="x"))
        writer.add("Marker", codec.encode(marker), 1, 1)
        writer.finish()
        replay = ReplaySettings(file=tmp_path / name)
        planned = plan_replay(prepare(given, replay), replay)
        written = {
            one.kind: one.settings.about for one in planned if hasattr(one.settings, "about")
        }
        assert set(written) == {"sink", "recorder"}
        for found in written.values():
            assert found["study"] == study | {"condition": "snow"}, "what is given now counts"
            assert (found["title"], found["replay_of"]) == ("Test drive", "drive")
            assert found["settings"]["fusion"] == fusion
            assert found["settings"]["recording"]["record"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("30", 30), ("1m30s", 90), ("250ms", 0.25), ("1h", 3600)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3s", "3x", "1:30"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(AffectlineError, match="--from"):
        parse_time(text)


def test_rates() -> None:
    assert (parse_rate("0.5"), parse_rate("4"), parse_rate("max")) == (0.5, 4.0, None)
    for text in ("0", "-1", "nan", "inf", "fast"):
        with pytest.raises(AffectlineError, match="--rate"):
            parse_rate(text)


def test_a_reanalysis_knows_whom_the_recorded_sensors_measured(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    for name in ("Frame", "Samples"):
        writer.add(name, codec.encode(PACKETS[name]), 1, 1)
    writer.finish()
    replay = ReplaySettings(file=tmp_path / "s.mcap", reanalyse=True)
    settings = prepare(PipelineSettings(), replay)
    (fusion,) = [p.settings for p in plan_replay(settings, replay) if p.kind == "fusion"]
    assert isinstance(fusion, FusionProcess)
    assert fusion.settings.subject == PACKETS["Samples"].message.subject  # type: ignore[attr-defined]
