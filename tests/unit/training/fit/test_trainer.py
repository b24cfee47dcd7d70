"""The strong recipe's trainer."""

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit.hyperparameters import FinetuneConfig  # noqa: E402
from affectline.training.fit.trainer import Trainer, TrainingData  # noqa: E402
from affectline.training.model.network import iterate_batches  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]


def faces(count: int, size: int = 48) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1)).astype(np.float32)


def some(count: int) -> Any:
    return faces(count, 32)[..., 0].astype(np.uint8)


@pytest.mark.slow
def test_a_share_of_the_way_back_to_the_start() -> None:
    material = TrainingData(some(8), np.arange(8) % 7, np.zeros((8, 7), np.float32))
    trainer = Trainer(material, FinetuneConfig(epochs=1, image_size=32, mixed=False), None)
    begun = [np.asarray(v.value) for v in trainer.average.trainable_variables]
    for variable in trainer.average.trainable_variables:
        variable.assign(variable + 0.1 * tf.random.stateless_normal(variable.shape, (0, 1)))
    after = [np.asarray(v.value) for v in trainer.average.trainable_variables]
    for share in (0.0, 0.25, 1.0):
        made = trainer.blend_with_start(share)
        for mine, start, end in zip(made.trainable_variables, begun, after, strict=True):
            assert np.allclose(np.asarray(mine.value), end + share * (start - end), atol=1e-6)
        pictures = next(iterate_batches(some(8)))
        used, learnt = (made.backbone(pictures, training=flag) for flag in (False, True))
        assert np.asarray(used) == pytest.approx(np.asarray(learnt), rel=1e-2, abs=1e-3)
