"""The mean of several models' weights."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.common.errors import AffectlineError  # noqa: E402
from affectline.training.data.faces import LabelledFaces  # noqa: E402
from affectline.training.fit import average  # noqa: E402
from affectline.training.model.network import Network, measure_layers  # noqa: E402
from affectline.training.model.paper_network import HIDDEN, load_vgg16  # noqa: E402
from affectline.training.model.warm_start import Weights  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]
FACES = np.random.default_rng(0).integers(0, 256, (12, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize(
    ("errors", "kept"),
    [((2.0, 1.0, -1.5), [1, 2]), ((0.1, 3.0, 4.0), [0]), ((1.0, -1.0), [0, 1])],
)
def test_what_makes_the_mean_better_is_kept(errors: tuple[float, ...], kept: list[int]) -> None:
    """Each model is a number: how far it is from the right answer."""

    def loss(chosen: Sequence[int]) -> float:
        return abs(float(np.mean([errors[number] for number in chosen])))

    assert average.choose_greedily(len(errors), loss) == kept


@pytest.fixture(scope="module")
def start() -> Weights:
    random = np.random.default_rng(1)
    shapes = {
        layer.name: layer.kernel.shape
        for layer in load_vgg16(None, (None, None, 3)).layers
        if layer.weights
    }
    sides = (512, *HIDDEN)
    shapes |= {f"dense{index}": sides[index : index + 2] for index in range(len(HIDDEN))}
    shapes["logits"] = (HIDDEN[-1], 14)

    def layer(shape: Any) -> Any:
        spread = np.sqrt(2 / np.prod(shape[:-1]))
        return (
            random.normal(0, spread, shape).astype(np.float32),
            random.normal(0, 0.1, shape[-1]).astype(np.float32),
        )

    return {name: layer(shape) for name, shape in shapes.items()}


def changed(weights: Weights, seed: int, share: float) -> Weights:
    random = np.random.default_rng(seed)
    return {
        name: (
            kernel + random.normal(0, share * kernel.std(), kernel.shape).astype(np.float32),
            bias,
        )
        for name, (kernel, bias) in weights.items()
    }


def member(weights: Weights) -> average.Member:
    return average.Member(weights, measure_layers(weights, FACES))


def scores(network: Network) -> Any:
    return np.concatenate(network.score(FACES), axis=1)


def test_the_mean_of_one_model_is_the_model(start: Weights) -> None:
    network = average.average_network([member(start)], FACES)
    tensor = tf.constant(np.repeat(FACES[..., np.newaxis], 3, -1).astype(np.float32))
    tensor -= tf.constant([103.939, 116.779, 123.68])
    names = [name for name in start if name.startswith("block")]
    for index, name in enumerate(names):
        if index and name.split("_")[0] != names[index - 1].split("_")[0]:
            tensor = tf.nn.max_pool2d(tensor, 2, 2, "VALID")
        tensor = tf.nn.relu(tf.nn.conv2d(tensor, start[name][0], 1, "SAME") + start[name][1])
    tensor = tf.reduce_mean(tensor, [1, 2])
    for index in range(len(HIDDEN)):
        kernel, bias = start[f"dense{index}"]
        tensor = tf.nn.relu(tensor @ kernel + bias)
    expected = np.asarray(tensor @ start["logits"][0] + start["logits"][1])
    assert scores(network) == pytest.approx(expected, rel=0.05, abs=0.05 * float(expected.std()))


def test_the_mean_of_two_is_nearer_to_what_both_came_from(start: Weights) -> None:
    expected = scores(average.average_network([member(start)], FACES))
    members = [member(changed(start, seed, 0.1)) for seed in (2, 3)]

    def distance(*given: average.Member) -> float:
        found = scores(average.average_network(given, FACES))
        return float(np.abs(found - expected).mean())

    assert distance(*members) < 0.85 * min(map(distance, members))


def test_only_the_convolutions_of_a_model_with_another_head_are_used(start: Weights) -> None:
    random = np.random.default_rng(4)
    others = changed(start, 2, 0.1)
    mixed = others | {
        name: (random.permutation(kernel.ravel()).reshape(kernel.shape), bias)
        for name, (kernel, bias) in others.items()
        if not name.startswith("block")
    }
    own_head = others | {name: start[name] for name in start if not name.startswith("block")}
    made = average.average_network([member(start), member(mixed)], FACES)
    expected = average.average_network([member(start), member(own_head)], FACES)
    for mine, other in zip(made.head.layers, expected.head.layers, strict=True):
        if mine.name.startswith("dense") and hasattr(mine, "kernel"):
            assert np.allclose(np.asarray(mine.kernel), np.asarray(other.kernel), atol=1e-5)
    for mine, other in zip(made.backbone.weights, expected.backbone.weights, strict=True):
        assert np.array_equal(np.asarray(mine), np.asarray(other))


def test_a_copy_of_a_model_is_refused(start: Weights) -> None:
    folders = [Path("a"), Path("b"), Path("c")]
    copy = {name: (kernel.copy(), bias) for name, (kernel, bias) in start.items()}
    models = [
        average.TrainedModel(name, weights, {})
        for name, weights in (("a", start), ("b", changed(start, 2, 0.1)), ("c", copy))
    ]
    average.check_distinct(folders[:2], models[:2])
    with pytest.raises(AffectlineError, match="the models a and c have the same weights"):
        average.check_distinct(folders, models)


def test_votes_are_named_if_and_only_if_the_models_were_trained_on_them() -> None:
    faces = LabelledFaces(FACES, np.arange(12) % 7, np.array(["Training"] * 12))
    voted = replace(faces, votes=np.full((12, 7), 1 / 7, np.float32))
    with_votes, without = (
        average.TrainedModel("a", {}, {"data": {"votes": known}}) for known in (True, False)
    )
    average.check_votes(with_votes, voted)
    average.check_votes(without, faces)
    with pytest.raises(AffectlineError, match=r"a was trained with FER.'s votes: name them"):
        average.check_votes(with_votes, faces)
    with pytest.raises(AffectlineError, match=r"a was trained without FER.'s votes: leave"):
        average.check_votes(without, voted)


def test_models_of_other_starts_are_refused(start: Weights) -> None:
    other = {name: (np.roll(kernel, 7), bias) for name, (kernel, bias) in start.items()}
    with pytest.raises(AffectlineError, match="did not come from one start"):
        average.check_related(
            average.TrainedModel("a", start, {}), average.TrainedModel("b", other, {})
        )
    seven = start | {"logits": (start["logits"][0][:, :7], start["logits"][1][:7])}
    with pytest.raises(AffectlineError, match="layers of different sizes"):
        average.check_related(
            average.TrainedModel("a", start, {}), average.TrainedModel("b", seven, {})
        )
