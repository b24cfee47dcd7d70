"""The layers that the strong recipe learns with."""

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.model.layers import BatchNorm, Convolution  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 9])
def test_a_convolution_s_slopes_are_tensorflow_s(side: int) -> None:
    layer = Convolution(4)
    pictures = tf.random.stateless_normal((3, side, side, 2), (0, 1))
    wanted = tf.random.stateless_normal((3, side, side, 4), (2, 3))

    def slopes(convolve: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            loss = tf.reduce_sum(convolve(pictures) * wanted)
        return tape.gradient(loss, [pictures, layer.kernel.value])

    ours = slopes(layer)
    theirs = slopes(lambda given: tf.nn.conv2d(given, layer.kernel.value, 1, "SAME"))
    for mine, other in zip(ours, theirs, strict=True):
        assert np.asarray(mine) == pytest.approx(np.asarray(other), abs=1e-4)


def test_a_normalisation_has_the_batch_s_moments_in_training_and_its_own_in_use() -> None:
    layer = BatchNorm()
    tensor = 3 + 2 * tf.random.stateless_normal((8, 5, 5, 6), (0, 1))
    out = np.asarray(layer(tensor, training=True))
    assert out.mean(axis=(0, 1, 2)) == pytest.approx(0, abs=1e-4)
    assert out.std(axis=(0, 1, 2)) == pytest.approx(1, abs=1e-3)
    assert np.asarray(layer(tensor)) == pytest.approx(np.asarray(tensor), rel=1e-3)
    flat = np.asarray(layer(tf.reshape(tensor, (-1, 6)), training=True))
    assert flat.reshape(out.shape) == pytest.approx(out, abs=1e-3)
