"""A lab's own sessions: labels by markers, figures without who is scored, what the face adds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from affectline.common.errors import AffectlineError
from affectline.services.cli.validate import validate
from affectline.services.sessions.edits import Annotation, SessionEdits, write_edits
from affectline.services.validation.fitting import LabelledEvidence
from affectline.services.validation.session_reader import read_session
from affectline.services.validation.sessions import VERDICT_PEOPLE, Gain, measure_gain
from tests.lab_sessions import write_lab_session

SECONDS = 300


def run(*arguments: object) -> tuple[dict[str, Any], str]:
    """The figures, and what was printed on stderr."""
    result = CliRunner().invoke(
        validate, ["sessions", *map(str, arguments), "--json"], catch_exceptions=False
    )
    return json.loads(result.stdout, parse_constant=pytest.fail), result.stderr


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
    assert "1 people with seconds of stress and of rest are too few" in str(result.exception)


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


def test_parts_are_named_by_labels_ranges_and_annotations(tmp_path: Path) -> None:
    folder = write_lab_session(tmp_path / "s", "P", 1)
    session = read_session(folder, ["stress"], ["rest"])
    assert session.participant == "P"
    assert sum(session.labels) == 120
    assert dict(zip(session.seconds, session.labels, strict=True))[61]
    ranges = read_session(folder, ["stress..rest"], ["0s..60s"])
    assert sum(ranges.labels) == 120
    assert len(ranges.labels) == 180
    note = Annotation(begin_s=70, end_s=80, label="talk")
    bad = Annotation(begin_s=75, end_s=300, label="noise", is_excluded=True)
    write_edits(folder, SessionEdits(annotations=(note, bad)))
    annotated = read_session(folder, ["talk"], ["rest"])
    assert [s for s, yes in zip(annotated.seconds, annotated.labels, strict=True) if yes] == [
        71, 72, 73, 74, 75,
    ]  # fmt: skip
    with pytest.raises(AffectlineError, match="its markers are rest, stress"):
        read_session(folder, ["drive"], ["pause"])
    with pytest.raises(AffectlineError, match=r"--stress \.\.x: not FROM\.\.TO"):
        read_session(folder, ["..x"], ["rest"])


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
