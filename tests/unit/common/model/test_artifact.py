"""An artifact is verified before it is used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model import artifact
from affectline.common.model.answer import Answer
from affectline.common.model.artifact import (
    MANIFEST,
    Artifact,
    Manifest,
    to_probabilities,
)
from affectline.common.model.shipped_digests import DEFAULT_MODEL

CARD = (DEFAULT_MODEL / "MODEL_CARD.md").read_text()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(DEFAULT_MODEL, tmp_path / "m")
    return tmp_path / "m"


def test_the_default_artifact_is_sound() -> None:
    loaded = artifact.load()
    assert loaded.verified("litert-int8").exists()
    assert loaded.manifest.name == "vgg16-48"
    assert loaded.model_id.startswith("vgg16-48@")
    assert loaded.manifest.metrics
    assert loaded.manifest.training
    assert "/" not in json.dumps(loaded.manifest.training).replace("\\/", "").replace("://", "")


def test_the_default_model_is_right_and_calibrated() -> None:
    metrics = artifact.load().manifest.metrics
    served = metrics["litert-int8"]["PrivateTest"]
    assert served["accuracy"] >= 0.715
    assert served["mirror_accuracy"] > served["accuracy"]
    assert served["calibration_error"] <= 0.04
    assert served["votes_calibration_error"] <= 0.04


def test_the_default_model_s_card_shows_the_manifest_s_figures() -> None:
    for split, figures in artifact.load().manifest.metrics["litert-int8"].items():
        row = next(line for line in CARD.splitlines() if line.startswith(f"| {split} |"))
        assert f"| {figures['accuracy']:.2%} | {figures['calibration_error']:.2%} |" in row
    assert all(f"\n| {label} | " in CARD for label in LABELS)


@pytest.mark.parametrize(
    "said",
    [
        *("* Recipe: strong", "* Data: 28709 Training", "expected calibration error over 15 bins"),
        *("It reads expressions, not feelings", "the skin of the people in it"),
        *("Regulation (EU) 2024/1689", "Not at work", "## Licences", "FER2013: research use"),
    ],
)
def test_the_default_model_s_card_says_what_it_must(said: str) -> None:
    assert said in CARD


def test_a_changed_byte_is_noticed(copied: Path) -> None:
    path = copied / "model.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AffectlineError, match=r"model file .* has SHA-256"):
        artifact.load(copied).verified("litert-int8")


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "model.tflite").unlink()
    with pytest.raises(AffectlineError, match=r"model\.tflite is missing"):
        artifact.load(copied).verified("litert-int8")


def test_a_format_that_it_lacks_is_named(copied: Path) -> None:
    with pytest.raises(AffectlineError, match="has no keras file"):
        artifact.load(copied).verified("keras")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": ["happy"]}, "labels happy are not"),
        ({"temperature": 0}, "temperature: "),
        ({"votes_temperature": -1}, "votes_temperature: "),
        ({"input_height": "big"}, "input_height: "),
        ({"unknown": 1}, "unknown: "),
    ],
)
def test_a_wrong_manifest_is_one_clear_line(
    copied: Path, change: dict[str, object], says: str
) -> None:
    manifest = json.loads((copied / MANIFEST).read_text()) | change
    (copied / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(AffectlineError, match=says) as error:
        artifact.load(copied)
    assert "\n" not in str(error.value)


def test_a_folder_counts_by_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = artifact.checksum(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert artifact.checksum(tmp_path) != before


def described(**changes: object) -> Manifest:
    told = {"output": "logits", "temperature": 1.0, "votes_temperature": None, "offsets": None}
    told |= changes
    return artifact.load().manifest.model_copy(update=told)


def test_temperature_softens_and_keeps_the_order() -> None:
    logits = np.array([[4.0, 1, 0, 0, -1, 2, 3]], np.float32)
    first = to_probabilities(logits, described())
    second = to_probabilities(logits, described(temperature=5.0))
    assert first.sum() == pytest.approx(1)
    assert (first.argsort() == second.argsort()).all()
    assert second.max() < first.max()
    already = described(output="probabilities")
    assert to_probabilities(first.astype(np.float32), already) == pytest.approx(first)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_each_answer_has_its_columns_and_its_temperature(output: str) -> None:
    given = np.random.default_rng(0).random((20, 14), dtype=np.float32)
    twofold = described(output=output, temperature=0.5, votes_temperature=2.0)
    for answer, columns, temperature in (
        ("labels", given[:, :7], 0.5),
        ("votes", given[:, 7:], 2),
    ):
        alone = described(output=output, temperature=temperature)
        assert np.array_equal(
            to_probabilities(given, twofold, answer),  # type: ignore[arg-type]
            to_probabilities(columns, alone),
        )


def test_offsets_shift_the_labels_alone() -> None:
    given = np.random.default_rng(0).normal(size=(20, 14)).astype(np.float32)
    offsets = (0.1, -0.5, 0.7, 0.0, 0.1, 0.0, -0.4)
    plain = described(temperature=2.0, votes_temperature=2.0)
    shifted = plain.model_copy(update={"offsets": offsets})
    expected = given.copy()
    expected[:, :7] += np.asarray(offsets, np.float32)
    found = to_probabilities(given, shifted, "labels")
    assert found == pytest.approx(to_probabilities(expected, plain, "labels"))
    votes = to_probabilities(given, shifted, "votes")
    assert np.array_equal(votes, to_probabilities(given, plain, "votes"))


@pytest.mark.parametrize("offsets", [(0.0,) * 6, ("a",) * 7])
def test_a_manifest_has_an_offset_for_each_label(offsets: tuple[object, ...]) -> None:
    told = artifact.load().manifest.model_dump() | {"offsets": offsets}
    with pytest.raises(ValidationError):
        Manifest.model_validate(told)


def test_the_consensus_is_the_mean_of_labels_and_votes() -> None:
    given = np.random.default_rng(0).normal(size=(20, 14)).astype(np.float32)
    both = described(temperature=0.5, votes_temperature=2.0)
    parts = [to_probabilities(given, both, "labels"), to_probabilities(given, both, "votes")]
    assert to_probabilities(given, both, "consensus") == pytest.approx(np.mean(parts, axis=0))


@pytest.mark.parametrize("answer", ["votes", "consensus"])
def test_votes_are_required_of_a_model_only_if_they_are_asked_for(answer: Answer) -> None:
    one = Artifact(DEFAULT_MODEL, described())
    assert one.choose_answer("labels") == one.choose_answer(None) == "labels"
    with pytest.raises(AffectlineError, match=f"--answer {answer}: .* without FER"):
        one.choose_answer(answer)
    two = Artifact(DEFAULT_MODEL, described(votes_temperature=1.0))
    assert two.choose_answer(answer) == answer
    assert two.choose_answer(None) == "consensus"
    assert two.model_id_for(answer) == f"{two.model_id_for('labels')}+{answer}"
