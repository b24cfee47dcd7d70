import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from affectline.common.errors import AffectlineError

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.data.augment import DRAWS, augment  # noqa: E402
from affectline.training.fit import finetune_run as strong  # noqa: E402
from affectline.training.fit.hyperparameters import FinetuneConfig, learning_rate_at  # noqa: E402
from affectline.training.fit.trainer import Trainer, TrainingData  # noqa: E402
from affectline.training.model.layers import BatchNorm, Convolution  # noqa: E402
from affectline.training.model.network import Network, build_served_model, iterate_batches  # noqa: E402
from affectline.training.model.paper_network import load_vgg16  # noqa: E402
from affectline.training.run_folder import CHECKPOINTS  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]
CENTRE = np.zeros((1, DRAWS), np.float32)
CENTRE[0, 2] = 1.0  # not mirrored
CENTRE[0, 8] = -1 / 3  # neither blurred nor sharpened
CENTRE[0, 13] = 1.0  # nothing hidden


def faces(count: int, size: int = 48) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1)).astype(np.float32)


def test_without_chance_a_face_stays_as_it_is() -> None:
    face = faces(1)
    assert np.asarray(augment(face, CENTRE, 48)) == pytest.approx(face, abs=0.01)
    assert np.asarray(augment(face, CENTRE, 40)) == pytest.approx(face[:, 4:44, 4:44], abs=0.01)


def test_mirroring_is_exact() -> None:
    mirrored = CENTRE.copy()
    mirrored[0, 2] = -1.0
    face = faces(1)
    assert np.asarray(augment(face, mirrored, 48)) == pytest.approx(face[:, :, ::-1], abs=0.01)


def test_a_face_s_chances_are_its_own() -> None:
    draws = np.random.default_rng(1).uniform(-1, 1, (8, DRAWS)).astype(np.float32)
    together = np.asarray(augment(faces(8), draws, 40))
    apart = np.concatenate([
        np.asarray(augment(faces(8)[i : i + 1], draws[i : i + 1], 40)) for i in range(8)
    ])  # fmt: skip
    assert together == pytest.approx(apart, abs=0.01)
    assert together.shape == (8, 40, 40, 1)
    assert together.min() >= 0
    assert together.max() <= 255
    assert np.abs(together - faces(8)[:, 4:44, 4:44]).mean() > 5


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


def test_changes_of_no_strength_only_mirror() -> None:
    given = faces(8)
    draws = np.random.default_rng(1).uniform(-1, 1, (8, DRAWS)).astype(np.float32)
    made = augment(given, draws, 48, 0.0).numpy()
    for face, changed, draw in zip(given, made, draws, strict=True):
        assert changed == pytest.approx(face if draw[2] > 0 else face[:, ::-1], abs=1e-2)
    half, whole = (augment(given, draws, 48, strength).numpy() for strength in (0.1, 1.0))
    assert np.abs(half - made).mean() < np.abs(whole - made).mean()


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
    adopting.load_convolutions(known, some(6))
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


def test_a_share_of_the_way_back_to_the_start() -> None:
    material = TrainingData(some(8), np.arange(8) % 7, np.zeros((8, 7), np.float32))
    trainer = Trainer(material, FinetuneConfig(epochs=1, image_size=32, mixed=False), None)
    begun = [np.asarray(v.value) for v in trainer.average.backbone.trainable_variables]
    for variable in trainer.average.trainable_variables:
        variable.assign(variable + 0.1 * tf.random.stateless_normal(variable.shape, (0, 1)))
    after = [np.asarray(v.value) for v in trainer.average.backbone.trainable_variables]
    for share in (0.0, 0.25, 1.0):
        made = trainer.blend_with_start(share)
        for mine, start, end in zip(made.backbone.trainable_variables, begun, after, strict=True):
            assert np.allclose(np.asarray(mine.value), end + share * (start - end), atol=1e-6)
        for mine, same in zip(
            made.head.trainable_variables, trainer.average.head.trainable_variables, strict=True
        ):
            assert np.array_equal(np.asarray(mine.value), np.asarray(same.value))
        pictures = next(iterate_batches(some(8)))
        used, learnt = (made.backbone(pictures, training=flag) for flag in (False, True))
        assert np.asarray(used) == pytest.approx(np.asarray(learnt), rel=1e-2, abs=1e-3)


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


@pytest.mark.parametrize("votes", [0.0, 0.3, 1.0])
def test_the_served_model_blends_both_last_layers(network: Network, votes: float) -> None:
    pictures = faces(3, 32)[..., 0].astype(np.uint8)
    mixed = strong.blend_logits(*network.score(pictures), votes).astype(np.float64)
    expected = np.exp(mixed) / np.exp(mixed).sum(axis=1, keepdims=True)
    served = build_served_model(network, 32, votes)
    assert np.asarray(served(next(iterate_batches(pictures)))) == pytest.approx(expected, abs=2e-4)


def trainer_at(value: float, epoch: int) -> Trainer:
    """What checkpoints need of a trainer: a megabyte of state and its epoch."""
    kept = [tf.Variable(tf.fill((250_000,), value)), tf.Variable(epoch, dtype=tf.int64)]
    return cast("Trainer", SimpleNamespace(state=lambda: kept, epoch=kept[1], kept=kept))


@pytest.mark.parametrize("small_disk", ["1500k"], indirect=True)
def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk: Path) -> None:
    with strong.restored_checkpoints(trainer_at(1.0, 1), small_disk, first=True) as save:
        save()
    trainer = trainer_at(2.0, 1)
    with strong.restored_checkpoints(trainer, small_disk, first=True) as save:
        trainer.epoch.assign(2)
        with pytest.raises(AffectlineError, match="cannot write the checkpoint of epoch 2"):
            save()
    again = trainer_at(0.0, 0)
    with strong.restored_checkpoints(again, small_disk, first=True):
        assert int(again.epoch.numpy()) == 1
        assert float(again.state()[0][0]) == 1.0


def test_half_a_checkpoint_is_never_the_last(tmp_path: Path) -> None:
    with strong.restored_checkpoints(trainer_at(1.0, 1), tmp_path, first=True) as save:
        save()
    # What a kill leaves: the next one's data, of which nothing tells yet.
    (tmp_path / CHECKPOINTS / "ckpt-2.data-00000-of-00001").write_bytes(b"half")
    again = trainer_at(0.0, 0)
    with strong.restored_checkpoints(again, tmp_path, first=True):
        assert int(again.epoch.numpy()) == 1


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    with strong.restored_checkpoints(trainer_at(1.0, 1), tmp_path, first=True) as save:
        save()
    data = tmp_path / CHECKPOINTS / "ckpt-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with (
        pytest.raises(AffectlineError, match="cannot be read"),
        strong.restored_checkpoints(trainer_at(0.0, 0), tmp_path, first=True),
    ):
        pass


def test_a_full_disk_leaves_the_log_and_says_so(small_disk: Path) -> None:
    passed = [strong.EpochLog(epoch, 2.0, 0.5, 0.6, 0.55, 1.2, 9.0) for epoch in (1, 2, 3)]
    log = strong.RunLog(small_disk, 0)
    log.add(passed[0])
    with contextlib.suppress(OSError), (small_disk / "other").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    more = (replace(passed[1], epoch=epoch) for epoch in range(2, 1000))
    with pytest.raises(AffectlineError, match=r"cannot write the log .*history\.csv"):
        list(map(log.add, more))
    with pytest.raises(AffectlineError, match="cannot write the log"):
        strong.RunLog(small_disk, 1)
    assert (small_disk / "history.csv").read_text().splitlines()[1].startswith("1,2,0.5,")
    (small_disk / "other").unlink()
    strong.RunLog(small_disk, 1).add(passed[1])
    lines = (small_disk / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    for epoch in range(1, 11):
        strong.RunLog(tmp_path, epoch - 1).add(strong.EpochLog(epoch, 2.0, 0.5, 0.6, 0.5, 1.2, 9.0))
    with (tmp_path / "history.csv").open("a") as stream:
        stream.write("1")  # of 11
    strong.RunLog(tmp_path, 10)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 11


def test_epochs_that_are_run_again_are_logged_once(tmp_path: Path) -> None:
    log = strong.RunLog(tmp_path, 0)
    for epoch in (1, 2, 3):
        log.add(strong.EpochLog(epoch, 2.0, 0.5, 0.6, 0.55, 1.2, 9.0))
    strong.RunLog(tmp_path, 2).add(strong.EpochLog(3, 1.0, 0.7, 0.8, 0.65, 1.0, 9.0))
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == ("epoch,loss,accuracy,training_accuracy,public_accuracy,public_loss,seconds")
    assert [line.split(",")[:2] for line in lines[1:]] == [["1", "2"], ["2", "2"], ["3", "1"]]
