"""Scores, fits, segments and both datasets' readers, on synthetic folders and a real drive."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from affectline.common import extras
from affectline.common.errors import AffectlineError
from affectline.services.cli.validate import validate
from affectline.services.fusion.stress_model import Evidence, load_default_model
from affectline.services.validation import drivedb, stress_predict
from affectline.services.validation.drivedb_reader import Drive, read_drive
from affectline.services.validation.drivedb_segments import TYPICAL_S, choose_bounds, find_marks
from affectline.services.validation.fitting import (
    LabelledEvidence,
    fit_model,
    score_seconds,
)
from affectline.services.validation.logistic_regression import class_weights, fit_logistic
from affectline.services.validation.metrics import auc, balanced_accuracy, roc
from affectline.services.validation.stress_predict import collect_evidence
from affectline.services.validation.stress_predict_reader import read_recordings
from tests.conftest import SHARED

LENGTHS = (60, 60, 50, 50, 50, 60, 60)
"""Seconds of a synthetic drive's segments."""


def test_area_under_the_curve() -> None:
    labels = np.array([False, False, True, True])
    assert auc(labels, np.array([1.0, 2, 3, 4])) == 1
    assert auc(labels, np.array([4.0, 3, 2, 1])) == 0
    assert auc(labels, np.ones(4)) == 0.5
    assert auc(labels, np.array([1.0, 3, 2, 4])) == 0.75
    assert math.isnan(auc(np.ones(3, bool), np.ones(3)))
    assert roc(labels, np.array([1.0, 3, 2, 4]))[-1] == (1.0, 1.0)
    assert balanced_accuracy(labels, np.array([1.0, 3, 2, 4]), 2.5) == 0.5


def test_a_logistic_fit_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(20_000, 2)) * (1, 5)
    truth = -0.5 + features @ np.array([1.5, -0.2])
    labels = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    intercept, slopes = fit_logistic(features, labels, np.full(20_000, 1 / 20_000))
    assert intercept == pytest.approx(-0.5, abs=0.06)
    assert slopes == pytest.approx([1.5, -0.2], abs=0.06)


def test_stress_and_rest_have_equal_weight() -> None:
    weights = class_weights(np.array([True, False, False, False]))
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_a_fit_finds_the_informative_signal() -> None:
    rng = np.random.default_rng(2)

    def person(name: str) -> LabelledEvidence:
        labels = np.arange(400) % 100 >= 50
        skin = rng.normal(size=400) + 2 * labels
        heart = rng.normal(size=400)
        moments = (
            {"heart": Evidence(float(h)), "skin": Evidence(float(s))}
            for h, s in zip(heart, skin, strict=True)
        )
        return LabelledEvidence(name, tuple(moments), labels)

    people = [person(name) for name in "abc"]
    model = fit_model(people)
    assert model.terms["skin"].importance > 0.8
    assert auc(people[0].labels, score_seconds(people[0], model, ("skin",))) > 0.85
    assert np.ptp(score_seconds(people[0], model, ())) == 0


def test_marks_are_found_and_doubles_merged() -> None:
    marker = np.full(6000, 10.0)
    for at_s in (20, 100, 105, 300):
        marker[at_s * 10 : at_s * 10 + 3] = 40
    assert find_marks(marker, 10.0) == pytest.approx([20, 100, 300], abs=0.2)
    assert find_marks(np.full(6000, 10.0), 10.0) == []


def test_extra_marks_are_left_out_and_missing_ones_replaced() -> None:
    right = np.cumsum([30, *TYPICAL_S]).tolist()
    assert choose_bounds(right, right[-1] + 20) == right
    assert choose_bounds(sorted([*right, right[3] + 60]), right[-1] + 20) == right
    missing = choose_bounds(right[:-1], right[-1])
    assert missing == right
    assert choose_bounds([100.0], 200.0) is None


def write_person(folder: Path, number: int, stress: range, seconds: int = 900) -> None:
    directory, rng = folder / f"S{number:02d}", np.random.default_rng(number)
    directory.mkdir(parents=True)
    t = np.arange(seconds)
    load = np.clip(np.isin(t, stress).cumsum() / 20, 0, 1) * np.isin(t, stress)
    skin = np.repeat(1 + 0.05 * number + load + 0.02 * rng.random(seconds), 4)
    heart = 70 + 15 * load + rng.normal(size=seconds)
    start = 1_600_000_000
    (directory / "EDA.csv").write_text("\n".join(map(str, [start, 4, *skin])))
    (directory / "HR.csv").write_text("\n".join(map(str, [start + 10, 1, *heart[10:]])))
    beats, at = [f"{start}, IBI"], 0.0
    while at < seconds - 1:
        interval = 60 / heart[int(at)]
        at += interval
        beats.append(f"{at},{interval}")
    (directory / "IBI.csv").write_text("\n".join(beats))
    labels = folder / "labels.csv"
    old = labels.read_text() if labels.exists() else "participant,unix_s,stress\n"
    rows = (f"{number},{start + int(i)},{int(i in stress)}\n" for i in t)
    labels.write_text(old + "".join(rows))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    for number, begin in ((2, 200), (3, 150), (11, 250)):
        write_person(tmp_path / "sp", number, range(begin + 100, begin + 400))
    return tmp_path / "sp"


def write_drive(path: Path, gap: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rate, rows = 15.5, []
    bounds = np.cumsum([5, *LENGTHS])
    for i in range(int(bounds[-1] * rate + 80)):
        t = i / rate
        segment = int(np.searchsorted(bounds, t, "right")) - 1
        load = (0.0, 1.0, 0.4, 1.0, 0.4, 1.0, 0.0, 0.0)[max(0, min(7, segment))]
        heart = 0 if gap and 100 < t < 130 else 70 + 20 * load + 2 * math.sin(t)
        spike = min(abs(t - bound) for bound in bounds) < 0.4
        skin = 3 + 4 * load + 0.05 * math.sin(t / 3)
        rows.append(f"{t:.4f},0,0,{skin:.3f},{skin:.3f},{heart:.1f},{50 if spike else 10},30")
    path.write_text("a,b,c,d,e,f,g,h\n" + "\n".join(rows))


def test_stress_predict_by_the_command_line(people: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    arguments = [
        "stress-predict",
        str(people),
        "--json",
        "--fit",
        str(table),
        "--docs",
        str(tmp_path),
    ]
    run = CliRunner().invoke(validate, arguments, catch_exceptions=False)
    figures = json.loads(run.stdout)
    assert figures["subjects"] == 3
    assert figures["seconds"] == 2700
    assert figures["stress_seconds"] == 900
    for name, least in (("heart", 0.7), ("skin", 0.9), ("together", 0.9)):
        assert figures["sets"][name]["auc_pooled"] > least
        assert set(figures["sets"][name]["auc_by_subject"]) == {"S02", "S03", "S11"}
    fitted = json.loads(table.read_text())
    assert fitted["terms"]["skin"]["weight"] > 0
    assert "3 people" in fitted["about"]
    assert figures["fitted_to"] == "the shipped model"
    assert figures["held_out"] == []
    assert [row["seconds"] for row in figures["calibration_curve"]] == [0, 60, 120, 300, 600]
    page = (tmp_path / "validation.md").read_text()
    assert f"**{figures['sets']['together']['auc_pooled']:.3f}**" in page
    for name in ("", "-reliability", "-calibration"):
        chart = tmp_path / f"validation-stress-predict{name}.svg"
        assert chart.read_text().startswith("<svg")
    again = CliRunner().invoke(validate, arguments, catch_exceptions=False)
    assert again.stdout == run.stdout
    assert (tmp_path / "validation.md").read_text() == page


def test_the_person_scored_is_not_in_the_fit(people: Path) -> None:
    before = stress_predict.validate(people, within=True)
    # Turning the labels of one person round must not move that person's own scores
    labels = people / "labels.csv"
    lines = labels.read_text().splitlines()
    turned = [
        f"{line[:-1]}{1 - int(line[-1])}" if line.startswith("3,") else line for line in lines
    ]
    labels.write_text("\n".join(turned))
    after = stress_predict.validate(people, within=True)
    one, other = before.folder_scores["together"], after.folder_scores["together"]
    assert (other["S03"] == one["S03"]).all()
    assert (other["S02"] != one["S02"]).any()
    assert (after.scores["together"]["S02"] == before.scores["together"]["S02"]).all()


def test_evidence_is_causal(people: Path) -> None:
    whole = collect_evidence(read_recordings(people)[0])
    eda = people / "S02" / "EDA.csv"
    lines = eda.read_text().splitlines()
    eda.write_text("\n".join([*lines[:802], *("30.0" for _ in lines[802:])]))
    changed = collect_evidence(read_recordings(people)[0])
    assert changed.evidence[:199] == whole.evidence[:199]
    assert changed.evidence[230] != whole.evidence[230]


def test_drives_by_the_command_line(tmp_path: Path) -> None:
    for name in ("drive01.csv", "drive02.csv"):
        write_drive(tmp_path / "drives" / name, gap=name == "drive02.csv")
    arguments = ["drivedb", str(tmp_path / "drives"), "--json", "--calibration", "30"]
    run = CliRunner().invoke(
        validate, [*arguments, "--docs", str(tmp_path)], catch_exceptions=False
    )
    figures = json.loads(run.stdout)
    bounds = np.cumsum([5, *LENGTHS])
    assert figures["bounds_s"]["drive01"] == pytest.approx(bounds, abs=0.6)
    together = figures["sets"]["together"]
    assert together["rest_vs_driving"]["auc_pooled"] > 0.9
    assert together["city_vs_highway"]["auc_pooled"] > 0.6
    assert together["mean"]["rest"] < together["mean"]["highway"] < together["mean"]["city"]
    assert "drive02" in (tmp_path / "validation.md").read_text()
    drawn = (tmp_path / "validation-drivedb.svg").read_text()
    assert all(word in drawn for word in ("highway", ">minutes<", "nervousness, 0 to 100"))
    text = CliRunner().invoke(validate, arguments[:2], catch_exceptions=False).stdout
    assert "city against highway" in text


def test_both_sections_share_the_page(people: Path, tmp_path: Path) -> None:
    write_drive(tmp_path / "drives" / "drive01.csv")
    for command, folder in (("stress-predict", people), ("drivedb", tmp_path / "drives")):
        CliRunner().invoke(
            validate, [command, str(folder), "--docs", str(tmp_path)], catch_exceptions=False
        )
    page = (tmp_path / "validation.md").read_text()
    assert page.count("## Stress-Predict") == page.count("## drivedb") == 1


def test_a_real_driver_is_calmer_at_rest() -> None:
    path = SHARED / "biometrics" / "drivedb" / "drive08.csv.xz"
    if not path.exists():
        pytest.skip("../shared/data/biometrics/drivedb is not here")
    drive = read_drive(path)
    assert len(drive.bounds) == 8
    assert 850 < drive.bounds[1] - drive.bounds[0] < 950
    end = int(1500 * drive.rate)
    short = Drive(
        drive.name, drive.rate, drive.heart_rate[:end],
        {name: values[:end] for name, values in drive.skin.items()}, drive.bounds,
    )  # fmt: skip
    model = load_default_model()
    evidence = drivedb.collect_evidence(short, model.settings)
    course = drivedb._score(evidence, model, drivedb.CALIBRATION_S)
    kinds = np.array(course.segments)
    rest, city = (course.nervousness["together"][kinds == kind] for kind in ("rest", "city"))
    assert np.median(rest) < 40 < 60 < np.median(city)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    with pytest.raises(AffectlineError, match=r"validate needs scipy.*affectline\[validation\]"):
        CliRunner().invoke(validate, ["drivedb", str(tmp_path)], catch_exceptions=False)
