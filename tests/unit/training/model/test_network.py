"""The strong recipe's network."""

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit import finetune_run as strong  # noqa: E402
from affectline.training.model.network import Network, build_served_model, iterate_batches  # noqa: E402
from affectline.training.model.paper_network import load_vgg16  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]


def faces(count: int, size: int = 48) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Network:
    tf.keras.utils.set_random_seed(0)
    made = Network(mixed=False)
    for variable in made.trainable_variables:
        variable.assign(variable + 0.1 * tf.random.normal(variable.shape))
    made.measure_moments(some(4))
    return made


def some(count: int) -> Any:
    return faces(count, 32)[..., 0].astype(np.uint8)


def test_a_settled_network_answers_as_it_does_in_training(network: Network) -> None:
    pictures = next(iterate_batches(some(4)))
    features = network.backbone(pictures, training=True)
    assert np.asarray(network.backbone(pictures)) == pytest.approx(features, rel=1e-3, abs=1e-4)
    for used, trained in zip(
        network.head(features), network.head(features, training=True), strict=True
    ):
        assert np.asarray(used) == pytest.approx(trained, rel=1e-3, abs=1e-3)


def test_adopted_convolutions_go_on_as_they_were() -> None:
    chance = np.random.default_rng(2)
    known, plain = {}, []
    for layer in load_vgg16(None, (None, None, 3)).layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            known[layer.name] = kernel * 0.3, chance.normal(0, 1, bias.shape).astype(np.float32)
    adopting = Network(mixed=False)
    adopting.load_layers(known, some(6))
    pictures = next(iterate_batches(some(6)))
    tensor = pictures
    for layer in load_vgg16(None, (None, None, 3)).layers[1:-1]:
        if layer.weights:
            layer.set_weights(known[layer.name])
        tensor = layer(tensor)
    plain = np.asarray(tensor).mean(axis=(1, 2))
    features = np.asarray(adopting.backbone(pictures))
    # The same in another unit of measurement.
    unit = (plain * features).sum() / (features**2).sum()
    assert features * unit == pytest.approx(plain, rel=0.02, abs=0.02 * float(plain.std()))
    spreads = [np.asarray(v).std() for v in adopting.backbone.trainable_variables if v.ndim == 4]
    expected = [np.sqrt(2 / np.prod(k.shape[:3])) for k, _ in known.values()]
    assert spreads == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("votes", [0.0, 0.3, 1.0])
def test_the_served_model_blends_both_last_layers(network: Network, votes: float) -> None:
    pictures = faces(3, 32)[..., 0].astype(np.uint8)
    mixed = strong.blend_logits(*network.score(pictures), votes).astype(np.float64)
    expected = np.exp(mixed) / np.exp(mixed).sum(axis=1, keepdims=True)
    served = build_served_model(network, 32, votes)
    assert np.asarray(served(next(iterate_batches(pictures)))) == pytest.approx(expected, abs=2e-4)
