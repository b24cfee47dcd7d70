"""What the paper's tables consist of."""

import json

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit.hyperparameters import HeadSettings
from affectline.training.reproduce.grid import Grid, RunConfig

SETTINGS = HeadSettings(epochs=3, batch_size=16, hidden=(8, 8, 8))


def test_the_plan_holds_every_line_of_the_paper() -> None:
    names = {run.name for run in Grid().plan()}
    longest = max(run.settings.epochs for run in Grid().plan())
    assert longest == 10000
    for kind in ("unit", "vgg16", "raw"):
        for words in ("b32-lr0.002", "b64-lr0.002", "b128-lr0.002", "b32-lr0.001"):
            for seed in (0, 1, 2):
                assert f"{kind}-{words}-seed{seed}" in names


def test_identities_are_plain_json() -> None:
    identity = RunConfig(SETTINGS).identity
    assert json.loads(json.dumps(identity))["batch_size"] == 16
    assert "epochs" not in identity
