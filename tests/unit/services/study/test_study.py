"""A study of sessions with known effects, against pandas on its own tables; and odd ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import SessionReader
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Packet
from affectline.services.cli.study import study as study_command
from affectline.services.sessions.edits import Annotation, SessionEdits, TrackEdit, write_edits
from affectline.services.study.page import _range_of_equals, render_study
from affectline.services.study.study import (
    Study,
    find_sessions,
    make_study,
    natural_order,
    parse_baseline,
)
from affectline.services.study.tables import write_tables
from tests.study_sessions import (
    RISE_US,
    SECOND,
    START,
    write_recording,
    write_study_session,
)

HAPPY = {"quiet": 0.3, "traffic": 0.5}


def heart_rate(person: str, second: int, bpm: float) -> Packet:
    return Packet(Samples(
        subject=person, signal="heart_rate", unit="/min", epoch=1, seq=second,
        at=START + second * SECOND, offsets=(0,), values=(bpm,),
    ))  # fmt: skip


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five participants under two conditions; in traffic they smile more."""
    root = tmp_path_factory.mktemp("sessions")
    for person in range(1, 6):
        for condition, happy in HAPPY.items():
            study = {"participant": f"{person:02}", "condition": condition, "age": "34"}
            folder = root / condition / f"{person:02}"
            write_study_session(folder, study, happy=happy + person / 100)
    return root


@pytest.fixture(scope="module")
def study(sessions: Path) -> Study:
    return make_study(find_sessions(sessions), events=["braking"])


def test_conditions_participants_and_measures_are_found(study: Study) -> None:
    assert study.conditions == ["quiet", "traffic"]
    assert study.participants == ["01", "02", "03", "04", "05"]
    names = [measure.name for measure in study.measures]
    assert {"valence", "mean_happy", "skin_conductance", "eda_tonic_us"} <= set(names)
    assert "heart_rate" not in names, "nobody had any"


def test_means_and_differences_are_those_of_the_sessions(study: Study, tmp_path: Path) -> None:
    paths = {path.name: path for path in write_tables(study, tmp_path)}
    measures = pd.read_csv(paths["measures.csv"], dtype={"participant": str})
    happy = measures[measures["measure"] == "mean_happy"]
    expected = happy.groupby("condition")["value"].mean()
    conditions = pd.read_csv(paths["conditions.csv"])
    found = conditions[conditions["measure"] == "mean_happy"].set_index("condition")
    assert found["mean"].to_dict() == pytest.approx(expected.to_dict())
    assert expected.to_dict() == pytest.approx({"quiet": 0.33, "traffic": 0.53}, abs=1e-3)
    differences = pd.read_csv(paths["differences.csv"]).set_index("measure")
    row = differences.loc["mean_happy"]
    assert (row["first"], row["second"], row["participants"]) == ("quiet", "traffic", 5)
    assert (row["low"], row["mean"], row["high"]) == pytest.approx((0.2, 0.2, 0.2), abs=1e-3)
    read = pq.read_table(paths["sessions.parquet"]).to_pylist()
    assert read[0]["age"] == "34"
    assert read[0]["coverage"] == 1


def test_tables_of_before_do_not_stay_and_fields_hide_no_column(tmp_path: Path) -> None:
    write_study_session(tmp_path / "one", {"condition": "quiet", "notes": "late", "faces": "two"})
    out = tmp_path / "study"
    out.mkdir()
    first = write_tables(make_study([tmp_path / "one"], events=["braking"]), out)
    assert out / "events.csv" in first
    write_tables(make_study([tmp_path / "one"]), out)
    assert not list(out.glob("events.*"))
    (row,) = pq.read_table(out / "sessions.parquet").to_pylist()
    assert (row["field_notes"], row["field_faces"], row["notes"]) == ("late", "two", None)
    assert row["faces"] > 0


def test_a_study_is_not_written_among_other_files(sessions: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "events.csv").write_text("mine")
    with pytest.raises(AffectlineError, match=r"--out .*mine: is there already, and has no study"):
        study_command(sessions, out)
    assert (out / "events.csv").read_text() == "mine"
    (out / "events.csv").unlink()
    for _ in range(2):
        study_command(sessions, out)
    assert (out / "study.html").is_file()


def test_curves_around_an_event_show_when_it_rises(study: Study) -> None:
    (skin,) = (
        one for one in study.events if one.curve == "skin_conductance" and one.condition == "quiet"
    )
    assert (skin.participants, skin.events) == (5, 10)
    at = {float(s): float(m) for s, m in zip(skin.seconds, skin.mean, strict=True)}
    assert at[-1.0] == pytest.approx(0, abs=0.01)
    assert at[1.0] == pytest.approx(RISE_US / 2, abs=0.05)
    assert at[5.0] == pytest.approx(RISE_US, abs=0.01)


def test_a_baseline_by_markers_or_times_turns_figures_into_changes(sessions: Path) -> None:
    found = []
    for text in ("rest..drive", "0s..10s"):
        made = make_study(find_sessions(sessions), baseline=parse_baseline(text))
        skin = next(one for one in made.measures if one.name == "skin_conductance")
        change = made.mean(skin, "quiet")
        assert change is not None
        found.append(change.mean)
    assert found[0] == found[1]
    # 5 uS at rest; from 10 s to 40 s 5, then 7, then 9
    times = np.arange(10, 40, 0.25)
    rises = sum(RISE_US * np.clip((times - at) / 2, 0, 1) for at in (15.0, 30.0))
    assert found[0] == pytest.approx(float(np.mean(rises)), abs=1e-6)


def test_a_baseline_may_end_with_the_next_marker_of_its_label(sessions: Path) -> None:
    made = make_study(find_sessions(sessions), baseline=parse_baseline("braking..braking"))
    assert len(made.sessions) == 10
    skin = next(one for one in made.measures if one.name == "skin_conductance")
    times = np.arange(15, 30, 0.25)
    expected = 5 + RISE_US * np.clip((times - 15.0) / 2, 0, 1).mean()
    assert made.sessions[0].baseline[skin.name] == pytest.approx(expected, abs=1e-6)


def test_values_that_differ_by_rounding_have_an_axis_of_their_own() -> None:
    low, high = _range_of_equals([6.6, 6.6 + 1e-15]) or (0, 0)
    assert low < 6 < 7 < high
    assert _range_of_equals([0.0, 0.0]) == [-0.1, 0.1]
    assert _range_of_equals([6.6, 6.7]) is None


def test_a_session_without_the_markers_of_the_baseline_is_left_out(
    sessions: Path, tmp_path: Path
) -> None:
    lacking = write_study_session(tmp_path / "lacking", {"participant": "09"}, markers=False)
    folders = [*find_sessions(sessions), lacking]
    made = make_study(folders, baseline=parse_baseline("rest..drive"))
    assert made.left_out == [(lacking, "no marker “rest”: no baseline")]
    assert "09" not in made.participants


def test_what_is_annotated_as_left_out_is_left_out(tmp_path: Path) -> None:
    folder = write_study_session(tmp_path / "one", {"participant": "01"})
    whole = make_study([folder]).sessions[0].figures["skin_conductance"]
    part = Annotation(begin_s=15, end_s=40, label="phone", is_excluded=True)
    write_edits(folder, SessionEdits().annotated(part))
    kept = make_study([folder]).sessions[0].figures["skin_conductance"]
    assert kept == pytest.approx(5.0)
    assert whole is not None
    assert whole > 6


def test_a_strap_without_skin_contact_changes_no_mean_and_no_curve(tmp_path: Path) -> None:
    lost = {"values": (0.0,), "quality": 0.0, "reason": "no skin contact"}
    messages = [heart_rate("person", second, 72).message for second in range(30)]
    messages[10:20] = [one.model_copy(update=lost) for one in messages[10:20]]
    packets = map(Packet, messages)
    (session,) = make_study([write_recording(tmp_path / "one", {}, packets)]).sessions
    assert session.figures["heart_rate"] == 72
    times, values = session.curves["heart_rate"]
    assert values.tolist() == [72] * 20
    assert 15 not in times


def two_people(folder: Path, streams: dict[str, str]) -> Path:
    """Anna and ben have a heart rate and a state; the only stream is ``front``."""
    write_study_session(folder, {}, skin=False)
    with SessionReader(folder) as reader:
        packets = [codec.decode(one.parts) for one in reader.messages()]
    for person, bpm in (("anna", 60), ("ben", 100)):
        packets += [heart_rate(person, second, bpm) for second in range(30)]
        packets += [
            Packet(State(subject=person, at=START + second * SECOND, nervousness=bpm / 2))
            for second in range(30)
        ]
    shutil.rmtree(folder)
    return write_recording(folder, {}, packets, {"settings": {"fusion": {"streams": streams}}})


@pytest.mark.parametrize(("person", "bpm"), [("anna", 60), ("ben", 100)])
def test_of_two_people_the_one_that_the_stream_shows_counts(
    person: str, bpm: float, tmp_path: Path
) -> None:
    (session,) = make_study([two_people(tmp_path / "one", {"front": person})]).sessions
    assert (session.figures["heart_rate"], session.figures["nervousness"]) == (bpm, bpm / 2)
    assert set(session.curves["heart_rate"][1]) == {bpm}
    assert set(session.curves["nervousness"][1]) == {bpm / 2}
    assert session.notes == []


def test_two_people_are_never_averaged_to_one(tmp_path: Path) -> None:
    (session,) = make_study([two_people(tmp_path / "one", {})]).sessions
    assert session.figures["valence"] is not None
    assert (session.figures["heart_rate"], session.figures["nervousness"]) == (None, None)
    assert not {"heart_rate", "nervousness"} & set(session.curves)
    assert session.notes == [
        "signals and states of anna and ben are left out: no setting says who stream front shows "
        "(fusion: streams)"
    ]
    (session,) = make_study([two_people(tmp_path / "two", {"front": "cleo"})]).sessions
    assert session.figures["heart_rate"] is None
    assert session.notes == ["signals of anna and ben are left out: stream front shows cleo"]


def test_sensors_that_settings_give_to_one_person_are_that_person_s(tmp_path: Path) -> None:
    packets = [heart_rate(f"strap-{second % 2}", second, 72) for second in range(30)]
    packets += [Packet(State(subject="driver", at=START + SECOND, nervousness=20))]
    about = {"settings": {"fusion": {"subject": "driver", "streams": {}}}}
    (session,) = make_study([write_recording(tmp_path / "one", {}, packets, about)]).sessions
    assert len(session.curves["heart_rate"][0]) == 30
    assert len(session.curves["nervousness"][0]) == 1
    assert session.notes == []


def test_a_session_and_its_replay_are_not_two_measurements(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, packets = (
        {"participant": "07"},
        [heart_rate("person", second, 72) for second in range(9)],
    )
    for name, more in (("drive", {}), ("again", {"replay_of": "drive"})):
        write_recording(tmp_path / name, study, packets, more)
    made = make_study(find_sessions(tmp_path))
    assert made.participants == ["07"]
    assert {one.name: len(one.notes) for one in made.sessions} == {"drive": 0, "again": 1}
    study_command(tmp_path)
    assert "again: a replay of drive, which is compared too" in capsys.readouterr().err
    (alone,) = make_study([tmp_path / "again"]).sessions
    assert alone.notes == []


def test_damage_to_a_recording_is_a_note(tmp_path: Path) -> None:
    folder = write_study_session(tmp_path / "one", {}, skin=False)
    path = folder / "session.mcap"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    (session,) = make_study([folder]).sessions
    (note,) = session.notes
    assert note.endswith("; the rest was read")
    assert note in render_study(make_study([folder]), "x")
    empty = write_study_session(tmp_path / "empty", {}, faces=False, skin=False)
    path = empty / "session.mcap"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(AffectlineError, match=r"nothing was seen or measured in it; .* was read"):
        make_study([empty])


def test_merged_tracks_are_one_face(tmp_path: Path) -> None:
    folder = write_study_session(tmp_path / "one", {"participant": "01"})
    write_edits(folder, SessionEdits().with_track(
        TrackEdit(stream="front", track=1, merged_into=4, name=None)
    ))  # fmt: skip
    assert make_study([folder]).sessions[0].quality["coverage"] == 1


@pytest.mark.parametrize(
    ("people", "conditions"), [(1, ["quiet"]), (2, ["quiet", "rain"]), (3, ["quiet"])]
)
def test_small_studies_have_a_page_that_says_what_they_cannot_tell(
    people: int, conditions: list[str], tmp_path: Path
) -> None:
    for person in range(people):
        for condition in conditions:
            study = {"participant": str(person), "condition": condition}
            write_study_session(tmp_path / f"{person}-{condition}", study, skin=False)
    made = make_study(find_sessions(tmp_path))
    html = render_study(made, "small")
    assert ("there are no intervals" in html) == (people < 3)
    assert ("Differences within participants" in html) == (len(conditions) > 1)
    assert "“braking” (" in html, "events that could be averaged are suggested"


def test_sessions_without_fields_are_participants_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_study_session(tmp_path / name, {})
    made = make_study(find_sessions(tmp_path))
    assert made.participants == ["a", "b"]
    assert made.conditions == ["all"]


def test_sessions_of_one_name_without_a_participant_are_not_one_participant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mon/run", "tue/run", "P7"):
        write_study_session(tmp_path / name, {}, skin=False)
    for name, participant in (("a", "P7"), ("b", "p7")):
        write_study_session(tmp_path / name, {"participant": participant}, skin=False)
    made = make_study(find_sessions(tmp_path))
    expected = ["P7", "p7", *(str(tmp_path / name) for name in ("P7", "mon/run", "tue/run"))]
    assert sorted(made.participants) == sorted(expected)
    remark = "“P7” and “p7” differ only in case or spaces, and count as 2 people"
    assert made.notes == [remark]
    html = render_study(made, "x")
    assert f"<td>{tmp_path / 'mon/run'}</td>" in html
    assert remark in html
    study_command(tmp_path)
    assert remark in capsys.readouterr().err


def test_what_has_nothing_in_it_is_named_with_the_reason(tmp_path: Path) -> None:
    write_study_session(tmp_path / "good", {"participant": "01"})
    empty = write_study_session(tmp_path / "empty", {}, faces=False, skin=False, markers=False)
    made = make_study(find_sessions(tmp_path))
    assert made.left_out == [(empty, "nothing was seen or measured in it")]
    assert "empty: nothing was seen" in render_study(made, "x")
    with pytest.raises(AffectlineError, match="no session can be compared: nothing was seen"):
        make_study([empty])


def test_a_page_loads_nothing_and_shows_names_as_they_are(tmp_path: Path) -> None:
    study = {"participant": "<b>1</b>", "condition": "</script><script>alert(1)"}
    write_study_session(tmp_path / "one", study)
    html = render_study(make_study(find_sessions(tmp_path)), "<i>x")
    assert "<b>1</b>" not in html
    assert "<script>alert(1)" not in html
    assert 'src="http' not in html


def test_folders_are_searched_at_any_depth(sessions: Path, tmp_path: Path) -> None:
    assert len(find_sessions(sessions)) == 10
    assert find_sessions(sessions / "quiet/01") == [sessions / "quiet/01"]
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AffectlineError, match="PATH"):
            find_sessions(path)


@pytest.mark.parametrize("text", ["", "..", "rest", "rest..", "..drive"])
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"--baseline .*: not FROM\.\.TO"):
        parse_baseline(text)


def test_names_are_sorted_as_people_do() -> None:
    assert sorted(["P10", "P2", "p1"], key=natural_order) == ["P2", "P10", "p1"]


def test_edits_are_kept_as_json(tmp_path: Path) -> None:
    write_edits(tmp_path, SessionEdits().annotated(Annotation(begin_s=1, end_s=2, label="x")))
    content = json.loads((tmp_path / "edits.json").read_text())
    assert content["annotations"][0]["label"] == "x"
