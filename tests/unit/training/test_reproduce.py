"""The paper's tables on made features: stopping, going on, and the page."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from rich.progress import Progress

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from common.errors import AffectlineError
from training import checkpoint, head, reproduce, results
from training.checkpoint import Mark, Place
from training.dataset import Faces
from training.reproduce import Line, Tables, Trial
from training.train import Settings

ROOT = Path(__file__).parents[3]
SETTINGS = Settings(epochs=3, batch_size=16, hidden=(8, 8, 8))
IDENTITY = {"data": "a"}


class Made(reproduce.Material):
    """Features that no picture went through VGG16 for."""

    def __init__(self) -> None:
        chance = np.random.default_rng(0)
        usages = np.array(["Training"] * 40 + ["PublicTest"] * 5 + ["PrivateTest"] * 5)
        emotions = np.arange(50, dtype=np.int64) % 7
        self.faces = Faces(np.zeros((50, 48, 48), np.uint8), emotions, usages)
        self.made = chance.normal(size=(50, 512)).astype(np.float32)
        self.identity = {"data_sha256": "a", "backbone_sha256": "b"}
        self.key = "ab"

    def _features(self, preprocessing: str) -> NDArray[np.float32]:
        return self.made


def run(trials: list[Trial], work: Path) -> dict[str, Place]:
    with Progress(disable=True) as progress:
        return reproduce.run_all(trials, Made(), work, progress)


def equal(one: Place, other: Place) -> bool:
    pairs = [(getattr(one.state, kind), getattr(other.state, kind)) for kind in checkpoint.ARRAYS]
    same = all(
        np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True)
    )
    return same and one.curve == other.curve and one.state.step == other.state.step


def place(epoch: int) -> Place:
    state = head.begin([np.full((2, 2), epoch, np.float32), np.zeros(2, np.float32)])
    return Place(replace(state, epoch=epoch, step=10 * epoch), (Mark(epoch, 1.0, 0.5, 2.0, 0.25),))


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "run", place(7), IDENTITY)
    found, remarks = checkpoint.load(tmp_path / "run", IDENTITY)
    assert found is not None
    assert not remarks
    assert equal(found, place(7))
    assert found.state.epoch == 7


def test_no_checkpoint_is_no_mistake(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, IDENTITY) == (None, [])


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    tmp_path: Path, damage: str
) -> None:
    checkpoint.save(tmp_path, place(1), IDENTITY)
    checkpoint.save(tmp_path, place(2), IDENTITY)
    file = tmp_path / checkpoint.LATEST
    content = file.read_bytes()
    flipped = bytes([*content[:200], content[200] ^ 255, *content[201:]])
    file.write_bytes({"cut": content[:-100], "rubbish": flipped, "empty": b""}[damage])
    found, remarks = checkpoint.load(tmp_path, IDENTITY)
    assert found is not None
    assert found.state.epoch == 1
    (remark,) = remarks
    assert str(file) in remark
    assert "damaged" in remark
    assert "\n" not in remark


def test_killed_between_two_renamings_the_one_before_is_taken(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, place(1), IDENTITY)
    (tmp_path / checkpoint.LATEST).rename(tmp_path / checkpoint.BEFORE)
    found, remarks = checkpoint.load(tmp_path, IDENTITY)
    assert found is not None
    assert not remarks


def test_another_run_s_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, place(1), IDENTITY)
    with pytest.raises(AffectlineError, match="another run"):
        checkpoint.load(tmp_path, {"data": "b"})


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, place(1), IDENTITY)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AffectlineError, match="No space left on device") as caught:
        checkpoint.save(tmp_path, place(2), IDENTITY)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == [checkpoint.LATEST]
    found, _ = checkpoint.load(tmp_path, IDENTITY)
    assert found is not None
    assert found.state.epoch == 1


def test_stopped_and_taken_up_again_a_run_ends_the_same(tmp_path: Path) -> None:
    whole, half = Trial(SETTINGS), Trial(replace(SETTINGS, epochs=1))
    undisturbed = run([whole], tmp_path / "one")
    run([half], tmp_path / "two")
    taken_up = run([whole], tmp_path / "two")
    assert equal(undisturbed[whole.name], taken_up[whole.name])
    assert [mark.epoch for mark in taken_up[whole.name].curve] == [1, 2, 3]


KILLED = """
    import sys, time
    from pathlib import Path
    from dataclasses import replace
    from rich.progress import Progress
    from tests.unit.training import test_reproduce as here
    from training import reproduce

    reproduce.SAVE_SECONDS = 0.0
    trial = reproduce.Trial(replace(here.SETTINGS, epochs=int(sys.argv[2])))
    with Progress(disable=True) as progress:
        reproduce.run_all([trial], here.Made(), Path(sys.argv[1]), progress)
"""


@pytest.mark.timeout(400)
def test_killed_in_the_middle_a_run_ends_the_same(tmp_path: Path) -> None:
    last = 40
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "killed"), "100000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    trial = Trial(replace(SETTINGS, epochs=last))
    folder = tmp_path / "killed" / trial.name
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / checkpoint.BEFORE).exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    material = Made()
    identity = {**trial.identity, **material.identity}
    reached, remarks = checkpoint.load(folder, identity)
    assert reached is not None
    assert not remarks
    last = max(last, reached.state.epoch + 5)
    trial = Trial(replace(SETTINGS, epochs=last))
    taken_up = run([trial], tmp_path / "killed")
    undisturbed = run([trial], tmp_path / "undisturbed")
    assert equal(taken_up[trial.name], undisturbed[trial.name])


def test_what_is_finished_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(SETTINGS)
    before = run([trial], tmp_path)
    monkeypatch.setattr(reproduce, "Loop", None)
    assert equal(run([trial], tmp_path)[trial.name], before[trial.name])


def test_variants_have_folders_and_rows_of_their_own() -> None:
    plain = Trial(SETTINGS)
    other = replace(plain, random_split=True)
    scaled = replace(plain, standardised=True)
    assert len({plain.name, other.name, scaled.name}) == 3
    material = Made()
    train, test = material.rows(other)
    assert (len(train[0]), len(test[0])) == (40, 10)
    assert not np.array_equal(material.masks(random=True)[1], material.masks(random=False)[1])
    features = material.rows(scaled)[0][0]
    assert features.mean(axis=0) == pytest.approx(np.zeros(512), abs=1e-5)
    assert features.std(axis=0) == pytest.approx(np.ones(512), abs=1e-4)


def test_the_plan_holds_every_line_of_the_paper() -> None:
    names = {trial.name for trial in Tables().trials()}
    longest = max(trial.settings.epochs for trial in Tables().trials())
    assert longest == 10000
    for kind in ("unit", "vgg16", "raw"):
        for words in ("b32-lr0.002", "b64-lr0.002", "b128-lr0.002", "b32-lr0.001"):
            for seed in (0, 1, 2):
                assert f"{kind}-{words}-seed{seed}" in names


SMALL = Tables(
    sizes=(Line("16", 2, 16), Line("8", 2, 8)),
    lengths=(Line("2", 2, 16), Line("4", 4, 16)),
    rates=(Line("0.002", 2, 16), Line("0.001", 2, 16, 0.001)),
    preprocessings=("unit", "raw"),
    seeds=(0, 1),
)


def test_the_page_shows_what_was_run_and_what_was_not(tmp_path: Path) -> None:
    curve = (Mark(1, 1.5, 0.4, 1.6, 0.35), Mark(2, 1.0, 0.997, 3.0, 0.4625))
    curves = {line.trial("unit").name: curve for line in SMALL.sizes}
    file = results.write(results.Page(SMALL, curves, 40, 10), tmp_path)
    text = file.read_text()
    assert "| 16 | 46.1 to 46.7 (99.7) | 46.25 (99.70) | not run |" in text
    assert "| 4 | 46.1 to 46.7 (99.7) | not run | not run |" in text
    assert "in the range" in text
    for line in text.splitlines():
        if line.startswith("!["):
            name = line.split("](")[1].rstrip(")")
            assert (tmp_path / name).read_text().startswith("<?xml")
    table = pd.read_csv(tmp_path / "results" / "curves.csv")
    ends = table[table["epoch"] == 2]
    assert set(ends["training"]) == set(curves)
    assert list(ends["test_accuracy"]) == [0.4625, 0.4625]


def test_the_page_tells_what_the_pixels_make(tmp_path: Path) -> None:
    def ending(epochs: int, accuracy: float) -> Mark:
        return Mark(epochs, 1.0, 0.997, 3.0, accuracy)

    batch, length = SMALL.sizes[1], SMALL.lengths[1]
    curves = {
        batch.trial("unit").name: (ending(2, 0.456),),
        batch.trial("raw").name: (ending(2, 0.436),),
        length.trial("unit").name: (ending(2, 0.461), ending(4, 0.436)),
        length.trial("raw").name: (ending(2, 0.441), ending(4, 0.431)),
    }
    file = results.write(results.Page(SMALL, curves, 40, 10), tmp_path)
    words = " ".join(file.read_text().split())
    assert "* Pixels 0 to 255: -2.00 (nearest line) to -3.00 points" in words
    # Of the three lines, one is too far with the better pixels as well.
    assert "Pixels 0 to 255: 3 lines end more than 1.5 points from the range." in words
    assert "end 1.5 points nearer on average, and 2 of them within 1.5" in words
    assert "With pixels 0 to 1, 4 epochs are left" in words


def test_the_page_tells_a_last_epoch_from_where_the_training_is(tmp_path: Path) -> None:
    lines = (Line("20", 20, 16), Line("40", 40, 16))
    tables = replace(SMALL, lengths=lines)
    marks = tuple(Mark(i, 1.0, 0.997, 3.0, 0.44 + 0.01 * (i % 2)) for i in range(1, 41))
    name = lines[-1].trial("unit").name
    text = results.write(results.Page(tables, {name: marks}, 40, 10), tmp_path).read_text()
    assert "| 20 | 44.00 | 44.5 | 44.0 to 45.0 | -1.6 |" in text
    assert "| 40 | 44.00 | 44.5 | 44.0 to 45.0 | -1.6 |" in text
    text = results.write(results.Page(tables, {name: marks[:30]}, 40, 10), tmp_path).read_text()
    assert "| 40 | 44" not in text, "it is not there yet"


def test_the_same_figures_make_the_same_files(tmp_path: Path) -> None:
    curve = (Mark(1, 1.5, 0.4, 1.6, 0.40), Mark(2, 1.0, 0.5, 3.0, 0.45))
    page = results.Page(SMALL, {SMALL.sizes[0].trial("unit").name: curve}, 40, 10)
    for name in ("one", "two"):
        results.write(page, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/**/*.*"))
    assert len(files) > 1
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(AffectlineError, match="--out"):
        results.write(results.Page(SMALL, {}, 40, 10), tmp_path / "taken")


def test_how_far_off_the_paper_s_range() -> None:
    assert results.off(0.464) == 0
    assert results.off(0.441) == pytest.approx(-0.02)
    assert results.off(0.477) == pytest.approx(0.01)


def test_identities_are_plain_json() -> None:
    identity = Trial(SETTINGS).identity
    assert json.loads(json.dumps(identity))["batch_size"] == 16
    assert "epochs" not in identity
