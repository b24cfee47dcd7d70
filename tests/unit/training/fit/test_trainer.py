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


def trained(**settings: Any) -> list[np.ndarray]:
    """The weights after an epoch of one step on eight faces."""
    material = TrainingData(some(8), np.arange(8) % 7, np.zeros((8, 7), np.float32))
    recipe = FinetuneConfig(
        epochs=1, image_size=32, mixed=False, warm_epochs=0, low=0.0, decay=0.0, mixing=0.0,
        dropout=0.0, **settings,
    )  # fmt: skip
    trainer = Trainer(material, recipe, None)
    list(trainer.run_epoch())
    return [np.asarray(v.value) for v in trainer.network.trainable_variables]


def distance(mine: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(mine, theirs, strict=True))))


@pytest.mark.long
@pytest.mark.slow
def test_sharpness_aware_steps_follow_the_slope_nearby_and_start_from_here() -> None:
    plain, begun = trained(learning_rate=0.01), trained(learning_rate=1e-12)
    length = distance(plain, begun)
    assert length > 1e-3
    # From as good as the same place, the same step; from farther away, another one
    assert distance(trained(learning_rate=0.01, sharpness=1e-5), plain) < 0.05 * length
    assert distance(trained(learning_rate=0.01, sharpness=0.5), plain) > 0.1 * length
    # Nothing is left of the way to where the slope was taken
    assert distance(trained(learning_rate=1e-12, sharpness=0.5), begun) < 1e-3


@pytest.mark.slow
def test_the_average_covers_all_steps_of_a_short_run() -> None:
    material = TrainingData(some(8), np.arange(8) % 7, np.zeros((8, 7), np.float32))
    trainer = Trainer(
        material, FinetuneConfig(epochs=5, image_size=32, mixed=False, warm_epochs=0), None
    )
    passed = []
    for _ in range(5):  # epochs of one step
        list(trainer.run_epoch())
        passed.append([np.asarray(v.value) for v in trainer.network.trainable_variables])
    # The last step keeps five fourteenths for each of the four steps since the first
    keep = (5 / 14) ** 4
    wanted = [new + keep * (old - new) for old, new in zip(passed[0], passed[-1], strict=True)]
    made = [np.asarray(v.value) for v in trainer.average.trainable_variables]
    assert distance(made, wanted) < 0.01 * distance(passed[-2], passed[-1])
