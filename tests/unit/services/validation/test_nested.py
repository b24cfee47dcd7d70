"""Choosing and fitting without the person who is scored."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stress_model import (
    Evidence,
    StressModel,
    Term,
    estimate_stress,
    format_model,
    load_default_model,
    parse_model,
)
from affectline.services.validation import drivedb, held_out, nested, stress_predict
from affectline.services.validation.drivedb_reader import read_drive
from affectline.services.validation.fitting import (
    Contrast,
    LabelledEvidence,
    fit_model,
    log_odds,
    score_seconds,
)
from affectline.services.validation.held_out import format_held_out, make_marks, model_without
from affectline.services.validation.logistic_regression import fit_nonnegative
from affectline.services.validation.metrics import (
    Vector,
    auc,
    calibration_error,
    reliability_curve,
)
from affectline.services.validation.nested import (
    SETTINGS,
    choose,
    leave_one_out,
    list_choices,
    score_held_out,
    separation,
    thin,
)
from tests.conftest import SHARED


def person(name: str, seed: int, best: FeatureSettings | None = None) -> nested.Evidence:
    """Someone whose skin shows stress, most with one of the settings; the heart is noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(400) % 100 >= 50
    made = {}
    for settings in SETTINGS:
        effect = 2.0 if best in (None, settings) else 0.3
        skin = random.normal(size=400) + effect * labels
        heart = random.normal(size=400)
        moments = tuple(
            {"heart": Evidence(float(h)), "skin": Evidence(float(s))}
            for h, s in zip(heart, skin, strict=True)
        )
        made[settings] = LabelledEvidence(name, moments, labels)
    return made


def test_the_settings_that_separate_best_are_chosen() -> None:
    people = [person(name, i, SETTINGS[1]) for i, name in enumerate("abcde")]
    assert choose(people).settings == SETTINGS[1]
    people = [person(name, i, SETTINGS[0]) for i, name in enumerate("abcde")]
    assert choose(people).settings == SETTINGS[0]


def test_a_model_never_sees_the_person_it_is_for() -> None:
    people = [person(name, i) for i, name in enumerate("abcd")]
    before = leave_one_out(people)
    turned = {s: replace(one, labels=~one.labels) for s, one in people[2].items()}
    after = leave_one_out([*people[:2], turned, people[3]])
    assert after[2] == before[2]
    assert after[0] != before[0]
    scores = score_held_out(people, before, {"skin": ("skin",)})
    assert auc(people[0][SETTINGS[0]].labels, scores["skin"]["a"]) > 0.85


def test_choices_name_only_measures_that_exist() -> None:
    people = [person(name, i) for i, name in enumerate("abc")]
    assert not any("breathing" in choice.measures for choice in list_choices(people))
    with_face = list_choices(people, ("face",))
    assert all(choice.measures[-1] == "face" for choice in with_face)
    assert len(list_choices([])) == len(list_choices(people))


def test_few_people_get_the_default_choice() -> None:
    assert choose([person("a", 1)]).measures == nested.DEFAULT_CHOICE.measures


def test_separation_is_averaged_over_contrasts() -> None:
    labels = np.array([False, False, True, True])
    some = LabelledEvidence(
        "drive", ({},) * 4, labels, np.array([0, 0, 0.7, 1]),
        (
            Contrast("driving", labels, np.ones(4, bool)),
            Contrast("city", np.array([False, False, False, True]), labels),
        ),
    )  # fmt: skip
    assert separation({"drive": np.array([1.0, 2, 3, 4])}, [some]) == 1
    assert separation({"drive": np.array([1.0, 2, 4, 3])}, [some]) == 0.5
    assert math.isnan(separation({"drive": np.zeros(0)}, []))


def test_every_tenth_second_is_enough_to_choose_by() -> None:
    whole = person("a", 1)
    few = thin(whole)[SETTINGS[0]]
    assert len(few.labels) == len(few.evidence) == 40
    assert few.evidence[1] == whole[SETTINGS[0]].evidence[10]


def test_vectors_of_log_odds_are_those_of_the_live_model() -> None:
    model = load_default_model()
    moments: tuple[dict[str, Evidence], ...] = (
        {},
        {"heart": Evidence(1.0), "heart_rise": Evidence(2.0)},
        {"skin": Evidence(9.0, 0.5), "skin_slow": Evidence(1.0, 0.5)},
        {"heart": Evidence(-0.5, 0.2), "skin": Evidence(2.0), "skin_responses": Evidence(1.0)},
    )
    some = LabelledEvidence("a", moments, np.array([True, False, True, False]))
    live = [estimate_stress(model, moment) for moment in moments]
    assert log_odds(some, model) == pytest.approx([one.log_odds for one in live])
    assert score_seconds(some, model) == pytest.approx([one.nervousness for one in live])


def test_no_weight_is_negative() -> None:
    random = np.random.default_rng(1)
    labels = random.random(4000) < 0.5
    features = np.column_stack([labels + random.normal(size=4000), random.normal(size=4000)])
    features = np.column_stack([features, -1.0 * labels + 0.5 * random.normal(size=4000)])
    _, slopes = fit_nonnegative(features, labels, np.full(4000, 1 / 4000))
    assert slopes[0] > 0.5
    assert slopes.min() >= 0
    assert slopes[2] == 0


def test_degrees_of_stress_are_fitted() -> None:
    load = np.tile([0.0, 1.0, 2.0], 200)
    moments = tuple({"skin": Evidence(float(one))} for one in load)
    graded = LabelledEvidence("a", moments, load > 0, np.array([0, 0.7, 1.0])[load.astype(int)])
    plain = LabelledEvidence("a", moments, load > 0)
    model, other = fit_model([graded], ("skin",), 1e-3), fit_model([plain], ("skin",), 1e-3)
    assert 0 < model.terms["skin"].weight < other.terms["skin"].weight


def test_settings_are_kept_with_the_coefficients() -> None:
    settings = FeatureSettings(slow_s=77.0)
    model = StressModel(1.0, {"skin": Term(1.0, 0.5, 1.0)}, settings)
    assert parse_model(format_model(model, "test")) == model
    assert parse_model('{"intercept": 0, "terms": {}}').settings == FeatureSettings()


def test_reliability_of_scores_that_are_and_are_not_calibrated() -> None:
    random = np.random.default_rng(1)
    scores = random.random(50_000) * 100
    labels = random.random(50_000) * 100 < scores
    rows = reliability_curve(labels, scores)
    assert len(rows) == 10
    assert sum(int(row["seconds"] or 0) for row in rows) == 50_000
    assert calibration_error(rows) < 1.5
    assert calibration_error(reliability_curve(labels, np.where(scores > 50, 100.0, 0.0))) > 10
    empty = reliability_curve(labels, np.full(50_000, 5.0))
    assert empty[5]["mean_score"] is None


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Vector]]:
    """The signals of a person of the fit; the models without people are two of synthetic ones."""
    models = leave_one_out([person(name, i) for i, name in enumerate("abc")])
    signals = [
        {name: np.random.default_rng(seed).normal(size=3000) for name in ("heart_rate", "skin")}
        for seed in (1, 2)
    ]
    file = tmp_path / "held_out.json"
    marked = [(make_marks(of), held) for of, held in zip(signals, models, strict=False)]
    file.write_text(format_held_out(marked, "test"), "utf-8")
    assert [one["name"] for one in json.loads(file.read_text("utf-8"))["people"]] == ["a", "b"]
    monkeypatch.setattr(held_out, "FILE", file)
    held_out.load_held_out.cache_clear()
    yield signals[0]
    held_out.load_held_out.cache_clear()


def test_people_of_the_fit_are_scored_by_a_model_without_them(
    recorded: dict[str, Vector],
) -> None:
    found = model_without("S02", recorded)
    assert found.is_special
    assert found.note is None
    assert found.model == held_out.load_held_out()[0].model


@pytest.mark.parametrize(
    ("harm", "lacking"),
    [
        (lambda signal: signal[:2000], "skin"),
        (lambda signal: signal[1000:], "skin"),
        (lambda signal: np.where(np.arange(3000) // 500 % 2 == 1, np.nan, signal), "skin"),
        (lambda signal: signal[1500:1900], "skin"),
        (lambda signal: signal[:0], "skin"),
        (lambda signal: np.insert(signal, 700, 5.0), None),
    ],
)
def test_people_of_the_fit_are_recognised_by_any_part_of_their_recording(
    recorded: dict[str, Vector], harm: Callable[[Vector], Vector], lacking: str | None
) -> None:
    harmed = {"heart_rate": recorded["heart_rate"], "skin": harm(recorded["skin"])}
    found = model_without("S02", harmed)
    assert found.is_special
    assert lacking is None or f"S02: is a of the fit, with {lacking} missing" in str(found.note)
    alone = model_without("S02", {"skin": harmed["skin"]})
    assert alone.is_special == (len(harmed["skin"]) > 0)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(3000),
        np.full(3000, np.nan),
        np.ones(5),
        np.random.default_rng(9).normal(size=3000),
    ],
)
def test_strangers_are_scored_by_the_default_model(
    recorded: dict[str, Vector], values: Vector
) -> None:
    del recorded
    assert model_without("S40", {"skin": values}) == (load_default_model(), False, None)
    assert not make_marks({"skin": np.zeros(3000)}), "a sensor that is not worn identifies nobody"


@pytest.mark.parametrize("harm", ["IBI.csv", "EDA.csv", "shorter EDA.csv", "all but a part"])
def test_a_person_of_the_public_fit_is_held_out_with_what_is_left_of_the_files(
    tmp_path: Path, harm: str
) -> None:
    source = SHARED / "biometrics" / "stress_predict"
    if not source.exists():
        pytest.skip("../shared/data/biometrics/stress_predict is not here")
    person = tmp_path / "S02"
    shutil.copytree(source / "S02", person)
    shutil.copy(source / "labels.csv", tmp_path)
    rows = (person / "EDA.csv").read_text().splitlines()
    if harm == "shorter EDA.csv":
        (person / "EDA.csv").write_text("\n".join(rows[:-40]))
    elif harm == "all but a part":
        (person / "EDA.csv").write_text("\n".join([*rows[:2], *rows[5000:8000]]))
        for name in ("HR.csv", "IBI.csv"):
            (person / name).unlink()
    else:
        (person / harm).unlink()
    found = stress_predict.validate(tmp_path)
    assert found.held_out == ("S02",)
    if harm != "shorter EDA.csv":
        assert any("is S02 of the fit, with " in note for note in found.notes)


def test_a_drive_of_the_public_fit_is_held_out_without_its_last_rows() -> None:
    source = SHARED / "biometrics" / "drivedb" / "drive05.csv.xz"
    if not source.exists():
        pytest.skip("../shared/data/biometrics/drivedb is not here")
    whole = drivedb.list_signals(read_drive(source))
    assert model_without("drive05", whole).note is None
    for cut in (slice(-200), slice(20_000, 40_000)):
        assert model_without("drive05", {name: of[cut] for name, of in whole.items()}).is_special


def test_what_cannot_be_fitted_is_said() -> None:
    calm = LabelledEvidence("a", ({},) * 5, np.zeros(5, bool))
    with pytest.raises(AffectlineError, match="all 5 seconds are rest"):
        fit_model([calm])
