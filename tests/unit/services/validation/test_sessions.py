"""A lab's own sessions: labels by markers, figures without who is scored, what the face adds."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.cli.validate import validate
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.sessions.edits import Annotation, SessionEdits, write_edits
from affectline.services.validation.fitting import LabelledEvidence
from affectline.services.validation.session_reader import (
    LabelledSession,
    collect_session,
    label_session,
    parse_parts,
    read_session,
)
from affectline.services.validation.sessions import VERDICT_PEOPLE, Gain, measure_gain
from tests.lab_sessions import write_lab_session
from tests.study_sessions import SECOND, START, write_recording

SECONDS = 300


def run(*arguments: object) -> tuple[dict[str, Any], str]:
    """The figures, and what was printed on stderr."""
    result = CliRunner().invoke(
        validate, ["sessions", *map(str, arguments), "--json"], catch_exceptions=False
    )
    return json.loads(result.stdout, parse_constant=pytest.fail), result.stderr


def label(folder: Path, stress: list[str], rest: list[str]) -> LabelledSession:
    session = read_session(folder)
    tense, calm = (parse_parts(f"--{option}", names, [session])
                   for option, names in (("stress", stress), ("rest", rest)))  # fmt: skip
    return label_session(session, tense, calm)


def test_a_face_that_shows_stress_is_found_to_add_something(tmp_path: Path) -> None:
    for i in range(VERDICT_PEOPLE):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, body=0.4, face=0.4)
    figures, _ = run(tmp_path)
    assert figures["people"] == VERDICT_PEOPLE
    assert figures["seconds"] == VERDICT_PEOPLE * (SECONDS - 1)
    sets = figures["sets"]
    assert sets["face"]["auc_pooled"] > 0.8
    assert sets["together_and_face"]["auc_mean"] > sets["together"]["auc_mean"]
    assert figures["face"]["low"] > 0
    assert figures["face"]["verdict"].startswith("the face adds something")
    assert set(figures["shipped_model"]) == {"heart", "skin", "together"}


def test_few_people_get_figures_but_no_verdict_and_two_get_none(tmp_path: Path) -> None:
    for i in range(3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, body=1.0)
    figures, _ = run(tmp_path)
    assert figures["sets"]["together"]["auc_pooled"] > 0.8
    assert "too few to say" in figures["face"]["verdict"]
    text = CliRunner().invoke(validate, ["sessions", str(tmp_path)], catch_exceptions=False)
    assert "too few to say whether the face adds anything" in text.stdout
    result = CliRunner().invoke(validate, ["sessions", str(tmp_path / "s0")])
    assert isinstance(result.exception, AffectlineError)
    assert "1 person with seconds of stress and of rest is too few" in str(result.exception)


def test_sessions_of_one_participant_are_one_person(tmp_path: Path) -> None:
    for i in range(4):
        write_lab_session(tmp_path / f"s{i}", f"P{i % 3}", i, camera=False)
    write_lab_session(tmp_path / "unmarked", "P9", 9, markers=False)
    figures, stderr = run(tmp_path)
    assert figures["sessions"] == 4
    assert set(figures["sets"]["heart"]["auc_by_person"]) == {"P0", "P1", "P2"}
    assert figures["face"] is None
    assert "unmarked: no second of stress, rest in it" in stderr


def test_faces_alone_can_be_measured(tmp_path: Path) -> None:
    for i in range(3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, sensors=False, face=0.5)
    figures, _ = run(tmp_path)
    assert set(figures["sets"]) == {"face"}
    assert figures["sets"]["face"]["auc_pooled"] > 0.8
    text = CliRunner().invoke(validate, ["sessions", str(tmp_path)], catch_exceptions=False)
    assert "The face cannot be compared" in text.stdout


def test_only_people_with_a_face_and_sensors_tell_whether_the_face_adds_something(
    tmp_path: Path,
) -> None:
    for i in range(8):
        shown = 0.0 if i < 4 else 0.4
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, face=shown, sensors=i < 4, camera=i > 0)
    figures, stderr = run(tmp_path)
    assert figures["people"] == 8
    assert figures["face"]["people"] == 3
    assert figures["face"]["verdict"].startswith("3 people are too few to say whether the face")
    assert "a face and heart, skin or breathing: P0, P4, P5, P6, P7\n" in stderr


def test_the_face_is_not_compared_if_nobody_has_sensors_as_well(tmp_path: Path) -> None:
    for i in range(4):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, sensors=i < 2, camera=i >= 2)
    figures, _ = run(tmp_path)
    assert figures["face"] is None
    assert set(figures["sets"]) == {"heart", "skin", "together", "face", "together_and_face"}


def write_pair(folder: Path, participant: str, seed: int, streams: dict[str, str]) -> Path:
    """A session of the participant, before ``front``, and of ben, whose face is larger."""
    one = write_lab_session(folder / "one", participant, seed, face=0.4)
    two = write_lab_session(folder / "two", "", 100 + seed, face=-0.4, body=-1.0)
    packets: list[Packet] = []
    for path, name in ((one, "anna"), (two, "ben")):
        with SessionReader(path) as reader:
            messages = [codec.decode(each.parts).message for each in reader.messages()]
        for message in messages:
            if isinstance(message, Samples):
                packets.append(Packet(message.model_copy(update={"subject": name})))
            elif isinstance(message, Emotion) and name == "anna":
                packets.append(Packet(message))
            elif isinstance(message, Emotion) and message.seq % 5:
                face = message.faces[0].model_copy(update={"box": (0, 0, 120, 120)})
                other = {"stream": "side", "faces": (face,)}
                packets.append(Packet(message.model_copy(update=other)))
            elif isinstance(message, Marker) and name == "anna":
                packets.append(Packet(message))
    packets.append(Packet(Marker(
        session="s", at=START + 150 * SECOND, label="calibrate", extra={"subject": "ben"}
    )))  # fmt: skip
    about = {"settings": {"fusion": {"streams": streams}}}
    return write_recording(folder / "pair", {"participant": participant}, packets, about)


def evidence(session: LabelledSession) -> tuple[object, ...]:
    return collect_session(session, FeatureSettings()).evidence


def test_a_session_of_a_pair_is_one_of_its_main_person(tmp_path: Path) -> None:
    alone = evidence(
        label(write_lab_session(tmp_path / "a", "P", 1, face=0.4), ["stress"], ["rest"])
    )
    pair = write_pair(tmp_path, "P", 1, {"front": "anna", "side": "ben"})
    assert evidence(label(pair, ["stress"], ["rest"])) == alone
    for i in (2, 3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, face=0.4)
    for name in ("a", "one", "two"):
        shutil.rmtree(tmp_path / name)
    _, stderr = run(tmp_path)
    left_out = f"{pair}: faces of side are left out: the face in most frames is in front"
    assert left_out in stderr


def test_of_a_pair_without_names_only_the_face_in_most_frames_is_used(tmp_path: Path) -> None:
    session = read_session(write_pair(tmp_path, "P", 1, {}))
    kinds = {type(packet.message) for packet in session.packets}
    assert kinds == {Emotion, Marker}
    assert session.notes == (
        "signals and states of anna and ben are left out: no setting says who stream front shows "
        "(fusion: streams)",
        "faces of side are left out: the face in most frames is in front",
    )


def test_two_cameras_that_settings_give_to_one_person_are_both_used(tmp_path: Path) -> None:
    session = read_session(write_pair(tmp_path, "P", 1, {"front": "anna", "side": "anna"}))
    streams = {one.message.stream for one in session.packets if isinstance(one.message, Emotion)}
    assert streams == {"front", "side"}
    assert session.notes == ()


def test_a_session_with_nothing_but_markers_is_left_out(tmp_path: Path) -> None:
    folder = write_lab_session(tmp_path / "s", "P", 1, sensors=False, camera=False)
    with pytest.raises(AffectlineError, match="nothing was seen or measured in it"):
        read_session(folder)


def test_sessions_without_a_participant_are_people_of_their_own_whatever_their_name(
    tmp_path: Path,
) -> None:
    for i, name in enumerate(("mon/run", "tue/run", "wed/P7")):
        write_lab_session(tmp_path / name, "", i, camera=False)
    write_lab_session(tmp_path / "s", "P7", 7, camera=False)
    figures, stderr = run(tmp_path)
    everybody = {str(tmp_path / name) for name in ("mon/run", "tue/run", "wed/P7")} | {"P7"}
    assert set(figures["sets"]["heart"]["auc_by_person"]) == everybody
    assert f"of its own: {tmp_path / 'mon/run'}, {tmp_path / 'tue/run'}, " in stderr


def test_participants_that_are_spelled_alike_are_named(tmp_path: Path) -> None:
    for i, name in enumerate(("P0", "p 0", "P1")):
        write_lab_session(tmp_path / f"s{i}", name, i, camera=False)
    figures, stderr = run(tmp_path)
    assert figures["people"] == 3
    assert "“P0” and “p 0” differ only in case or spaces, and count as 2 people" in stderr


def test_a_marker_of_a_tool_whose_clock_is_ahead_makes_no_session_longer(tmp_path: Path) -> None:
    folder = write_lab_session(tmp_path / "s", "P", 1)
    before = read_session(folder)
    with SessionReader(folder) as reader:
        about, messages = reader.about, list(reader.messages())
    ahead = before.begin + 3600 * 10**9
    (folder / "session.mcap").unlink()
    writer = SessionWriter(folder / "session.mcap", about)
    for log_time, publish_time, kind, parts in messages:
        writer.add(kind, parts, log_time, publish_time)
    marker = codec.encode(Packet(Marker(session="s", at=ahead, label="rest")))
    writer.add("Marker", marker, ahead, ahead)
    writer.finish()
    after = read_session(folder)
    assert after.markers == (*before.markers, (3600.0, "rest"))
    assert after.end_s == before.end_s


def test_parts_are_named_by_labels_ranges_and_annotations(tmp_path: Path) -> None:
    folder = write_lab_session(tmp_path / "s", "P", 1)
    session = label(folder, ["stress"], ["rest"])
    assert session.recorded.person == "P"
    assert sum(session.labels) == 120
    assert dict(zip(session.seconds, session.labels, strict=True))[61]
    ranges = label(folder, ["stress..rest"], ["0s..60s"])
    assert sum(ranges.labels) == 120
    assert len(ranges.labels) == 180
    note = Annotation(begin_s=70, end_s=80, label="talk")
    bad = Annotation(begin_s=75, end_s=300, label="noise", is_excluded=True)
    write_edits(folder, SessionEdits(annotations=(note, bad)))
    annotated = label(folder, ["talk"], ["rest"])
    assert [s for s, yes in zip(annotated.seconds, annotated.labels, strict=True) if yes] == [
        71, 72, 73, 74, 75,
    ]  # fmt: skip
    with pytest.raises(
        AffectlineError,
        match="--stress drive: no session has the label drive: there are noise, rest, stress, talk",
    ):
        label(folder, ["drive"], ["pause"])
    with pytest.raises(AffectlineError, match=r"--stress \.\.x: not FROM\.\.TO"):
        label(folder, ["..x"], ["rest"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--rest", "rset"), "--rest rset: no session has the label rset: there are rest, stress"),
        (("--rest", "rset..stress"), "--rest rset..stress: no session has the marker rset: there"),
        (("--rest", "calibrate"), "--rest calibrate: calibrate begins the baseline"),
        (("--stress", "a.."), "--stress a..: not FROM..TO"),
        (("--stress", "5..1"), "--stress 5..1: it ends at 1 s but begins at 5 s"),
    ],
)
def test_a_wrong_name_is_said_once(
    tmp_path: Path, options: tuple[str, str], complaint: str
) -> None:
    for i in range(3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, camera=False)
    result = CliRunner().invoke(validate, ["sessions", str(tmp_path), *options])
    assert isinstance(result.exception, AffectlineError)
    assert str(result.exception).startswith(complaint)
    assert str(result.exception).count(options[0]) == 1
    assert result.exception.details == ()


def test_who_has_only_one_kind_of_seconds_is_left_out_with_the_names_of_the_other(
    tmp_path: Path,
) -> None:
    for i in range(3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i, camera=False)
    calm = write_lab_session(tmp_path / "calm", "P9", 9, camera=False, markers=False)
    whole = Annotation(begin_s=0, end_s=300, label="rest")
    write_edits(calm, SessionEdits(annotations=(whole,)))
    _, stderr = run(tmp_path)
    assert "P9: left out, all labelled seconds are rest, none of stress" in stderr


def test_sessions_without_a_participant_are_named(tmp_path: Path) -> None:
    for i, name in enumerate(("P0", "P1", "", "")):
        write_lab_session(tmp_path / f"s{i}", name, i, camera=False)
    figures, stderr = run(tmp_path)
    assert figures["people"] == 4
    assert "without a participant, and each counted as a person of its own: s2, s3." in stderr
    assert "the figures are too good" in figures["notes"][-1]


def test_copies_of_a_session_are_one_session(tmp_path: Path) -> None:
    for i in range(3):
        write_lab_session(tmp_path / f"s{i}", f"P{i}", i)
    shutil.copytree(tmp_path / "s0", tmp_path / "s9")
    # The same measurements with other markers, and under another name
    write_lab_session(tmp_path / "s8", "P8", 1, markers=False)
    figures, stderr = run(tmp_path)
    assert figures["people"] == figures["sessions"] == 3
    assert f"{tmp_path / 's9'}: a copy, with the measurements of {tmp_path / 's0'}" in stderr
    assert f"{tmp_path / 's8'}: a copy, with the measurements of {tmp_path / 's1'}" in stderr
    for i in (1, 2):
        shutil.rmtree(tmp_path / f"s{i}")
    shutil.rmtree(tmp_path / "s8")
    result = CliRunner().invoke(validate, ["sessions", str(tmp_path)])
    assert isinstance(result.exception, AffectlineError)
    assert str(result.exception).startswith("1 person with")
    assert len(result.exception.details) == 1


def test_the_interval_is_over_people() -> None:
    labels = np.arange(40) % 2 == 0
    people = [LabelledEvidence(name, ({},) * 40, labels) for name in "abcdefgh"]
    noise = np.random.default_rng(1)
    flat = {person.name: noise.normal(size=40) for person in people}
    good = {person.name: labels + 0.1 * noise.normal(size=40) for person in people}
    gain = measure_gain(people, flat, good)
    assert 0 < gain.low < gain.mean < gain.high
    assert "adds something" in gain.verdict
    assert "worse" in measure_gain(people, good, flat).verdict
    assert "cannot be told" in Gain(0.01, -0.02, 0.04, 20).verdict
    assert "too few" in measure_gain(people[:4], flat, good).verdict
