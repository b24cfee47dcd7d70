"""A model with two answers, from the run folder to what is served."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.common.vision.preprocessing import to_three_channels, to_vgg16
from affectline.services.classifier.backends import open_model
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import softmax
from affectline.training.run_folder import LAST_LAYERS, LOGITS_FILE, MODEL_FILE, RUN_FILE

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.export.artifact import (  # noqa: E402
    export_artifact,
    fit_probabilities,
    measure_splits,
)
from affectline.training.fit import finetune_run, votes_head  # noqa: E402
from affectline.training.fit.hyperparameters import FinetuneConfig  # noqa: E402
from affectline.training.fit.trained_run import change_votes_weight, load_run  # noqa: E402
from affectline.training.model.network import Network, build_served_model, build_two_label_set_model  # noqa: E402
from affectline.training.model.paper_network import remove_softmax  # noqa: E402

pytestmark = [
    # TensorFlow's own imports warn; nothing of ours runs under these two
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SIZE, ROWS, WEIGHT = 32, 60, 0.2


@pytest.fixture(scope="module")
def faces() -> LabelledFaces:
    rng = np.random.default_rng(0)
    usages = [Split.TRAINING] * 30 + [Split.PUBLIC_TEST] * 20 + [Split.PRIVATE_TEST] * 10
    return LabelledFaces(
        pixels=rng.integers(0, 256, (ROWS, SIZE, SIZE), dtype=np.uint8),
        emotions=rng.integers(0, 7, ROWS),
        usages=np.array([str(usage) for usage in usages]),
        votes=rng.dirichlet(np.ones(7), ROWS).astype(np.float32),
    )


@pytest.fixture(scope="module")
def network(faces: LabelledFaces) -> Network:
    tf.keras.utils.set_random_seed(0)
    made = Network(mixed=False)
    for variable in made.trainable_variables:  # no bias is zero, as after a training
        variable.assign(variable + 0.02 * tf.random.normal(variable.shape))
    made.measure_moments(faces.pixels)
    return made


@pytest.fixture(scope="module")
def run_folder(network: Network, faces: LabelledFaces, tmp_path_factory: Any) -> Path:
    """What ``fit`` leaves behind, of a network with random weights."""
    folder: Path = tmp_path_factory.mktemp("run")
    model, layers = build_served_model(network, SIZE, WEIGHT), network.last_layers()
    model.save(folder / MODEL_FILE)
    np.savez(folder / LAST_LAYERS, **layers)
    pictures = to_vgg16(to_three_channels(faces.pixels))
    np.save(
        folder / LOGITS_FILE, np.asarray(build_two_label_set_model(model, layers, WEIGHT)(pictures))
    )
    record = {
        "recipe": "none",
        "loss": "none",
        "optimizer": {"name": "none"},
        "settings": {"seed": 0, "image_size": SIZE, "votes_weight": WEIGHT},
        "data": {"sha256": faces.sha256, "rows": {"Training": 30}, "votes": True},
    }
    (folder / RUN_FILE).write_text(json.dumps(record))
    return folder


def test_both_answers_are_those_of_the_network(network: Network, faces: LabelledFaces) -> None:
    pictures = to_vgg16(to_three_channels(faces.pixels[:5]))
    model, layers = build_served_model(network, SIZE, WEIGHT), network.last_layers()
    both = np.asarray(build_two_label_set_model(model, layers, WEIGHT)(pictures))
    assert both.shape == (5, 14)
    assert both[:, :7] == pytest.approx(np.asarray(remove_softmax(model)(pictures)), abs=1e-5)
    _, votes = network.score(faces.pixels[:5])
    assert softmax(both[:, 7:]) == pytest.approx(softmax(votes), abs=1e-4)


@pytest.mark.slow
def test_the_served_file_gives_both_answers(
    run_folder: Path, faces: LabelledFaces, tmp_path: Path
) -> None:
    people = np.arange(ROWS) % 8 - 1
    run, out = load_run(run_folder, faces), tmp_path / "two"
    export_artifact(run, faces, out, "two", False, Progress(disable=True), people)
    made = artifact.load(out)
    outputs = open_model(made, "litert").predict(faces.pixels)
    assert outputs.shape == (ROWS, 14)
    plain = np.load(run_folder / LOGITS_FILE)
    assert np.corrcoef(outputs.ravel(), plain.ravel())[0, 1] > 0.9
    asked = to_probabilities(outputs, made.manifest, "votes")
    known = (people >= 0) & (faces.usages == "PrivateTest")
    told = made.manifest.metrics["litert-int8"]["PrivateTest"]
    right = (asked.argmax(axis=1) == people)[known].mean()
    assert told["votes_accuracy"] == pytest.approx(right)
    assert f"| {right:.2%} |" in (made.folder / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("without", [Split.PRIVATE_TEST, Split.TRAINING, Split.TEST])
def test_a_split_without_usable_votes_has_no_figures_for_them(
    faces: LabelledFaces, without: Split
) -> None:
    people = np.where(faces.rows(without), -1, np.arange(ROWS) % 7)
    outputs = np.random.default_rng(0).normal(size=(ROWS, 14)).astype(np.float32)
    fitted = fit_probabilities(outputs, faces, people)
    found = measure_splits(outputs, faces, fitted, people)
    assert set(found) == set(Split)
    assert {split for split in found if "votes_accuracy" not in found[split]} >= {without.value}
    assert found[without.value]["ferplus_accuracy"] is None
    assert found[without.value]["accuracy"] >= 0


def test_a_model_is_exported_with_the_votes_it_was_trained_on(faces: LabelledFaces) -> None:
    record = {"data": {"sha256": faces.sha256, "votes_sha256": faces.votes_sha256}}
    faces.require_same(record, "the run a")
    faces.without_votes().require_same(record, "the run a")
    others = replace(faces, votes=faces.votes[::-1].copy())
    with pytest.raises(AffectlineError, match="the run a was trained on other votes"):
        others.require_same(record, "the run a")
    others.require_same({"data": {**record["data"], "votes_sha256": "none"}}, "the run a")


def test_votes_for_no_training_row_are_refused_before_the_training(faces: LabelledFaces) -> None:
    votes = np.where(faces.rows(Split.TRAINING)[:, np.newaxis], 0, faces.votes)
    held_out = replace(faces, votes=votes)
    recipe = FinetuneConfig(epochs=1)
    with pytest.raises(AffectlineError, match="no Training row has usable votes in --votes"):
        finetune_run.fit(held_out, None, recipe, Path("nowhere"), Progress(disable=True))


@pytest.mark.parametrize("content", ["{}", '{"data": 1}', "[]", "no json"])
def test_a_damaged_record_is_one_clear_line(
    run_folder: Path, faces: LabelledFaces, tmp_path: Path, content: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / RUN_FILE).write_text(content)
    with pytest.raises(AffectlineError, match="is damaged") as error:
        load_run(folder, faces)
    assert "\n" not in str(error.value)


def test_another_weight_changes_the_first_answer_alone(
    run_folder: Path, faces: LabelledFaces
) -> None:
    run = load_run(run_folder, faces)
    before = run.logits.copy()
    other = change_votes_weight(run, run_folder, 1.0, faces, Progress(disable=True))
    assert other.logits[:, 7:] == pytest.approx(before[:, 7:], abs=1e-4)
    assert other.logits[:, :7] == pytest.approx(before[:, 7:], abs=1e-4)
    assert not np.allclose(before[:, :7], before[:, 7:], atol=1e-2)


@pytest.mark.long
@pytest.mark.slow
def test_a_finished_model_is_taught_a_second_answer(
    run_folder: Path, faces: LabelledFaces, tmp_path: Path
) -> None:
    progress, people = Progress(disable=True), np.arange(ROWS) % 8 - 1
    export_artifact(
        load_run(run_folder, faces), faces, tmp_path / "one", "one", False, progress, people
    )
    before = artifact.load(tmp_path / "one")
    run = votes_head.fit_votes_head(before, faces, progress)
    export_artifact(run, faces, tmp_path / "two", "two", False, progress, people)
    after = artifact.load(tmp_path / "two")
    was, now = (open_model(each, "litert").predict(faces.pixels) for each in (before, after))
    # The first answer is the same but for a rounding more, and for what all seven have in common.
    same = now[:, :7] - now[:, :7].mean(axis=1, keepdims=True)
    wanted = was[:, :7] - was[:, :7].mean(axis=1, keepdims=True)
    assert np.corrcoef(same.ravel(), wanted.ravel())[0, 1] > 0.9
    learnt = faces.rows(Split.TRAINING)
    told = -(faces.votes * np.log(softmax(run.logits[:, 7:]))).sum(axis=1)[learnt].mean()
    least = -(faces.votes * np.log(faces.votes[learnt].mean(axis=0))).sum(axis=1)[learnt].mean()
    assert told < least  # more than how often each is voted for
    assert after.manifest.training["second_answer"] == votes_head.ABOUT


@pytest.mark.slow
def test_a_second_answer_is_learnt_from_the_model_s_own_data(
    run_folder: Path, faces: LabelledFaces, tmp_path: Path
) -> None:
    run = load_run(run_folder, faces)
    export_artifact(run, faces, tmp_path / "one", "one", False, Progress(disable=True))
    others = replace(faces, emotions=(faces.emotions + 1) % 7)
    with pytest.raises(AffectlineError, match="was trained on other data"):
        votes_head.fit_votes_head(artifact.load(tmp_path / "one"), others, Progress(disable=True))
