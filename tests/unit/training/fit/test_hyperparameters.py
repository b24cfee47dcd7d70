"""The numbers of the strong recipe."""

import pytest

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit.hyperparameters import (  # noqa: E402
    FinetuneConfig,
    HeadSettings,
    learning_rate_at,
)
from affectline.training.model.paper_network import HIDDEN  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]


def test_the_rate_waits_rises_and_falls() -> None:
    rates = [learning_rate_at(step, 100, 20, 1.0) for step in range(100)]
    assert rates[:20] == [0.0] * 20
    assert rates[20] == pytest.approx(0.1)
    assert max(rates) == rates[29] == pytest.approx(0.969, abs=0.001)
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] < 0.001


def test_the_last_epochs_see_whole_faces() -> None:
    recipe = FinetuneConfig(epochs=5, whole=0.4, image_size=96)
    assert [recipe.side(recipe.uses_whole_faces(epoch)) for epoch in range(5)] == [
        80,
        80,
        80,
        96,
        96,
    ]
    assert FinetuneConfig(epochs=1).uses_whole_faces(0)


def test_the_paper_s_head_is_the_network_s() -> None:
    assert HeadSettings().hidden == HIDDEN
