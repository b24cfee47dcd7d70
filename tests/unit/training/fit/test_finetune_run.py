"""Checkpoints and logs of a fine-tuning run."""

import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console
from rich.progress import Progress

from affectline.common.errors import AffectlineError

tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.training.fit import finetune_run as strong  # noqa: E402
from affectline.training.fit.trainer import Trainer  # noqa: E402
from affectline.training.run_folder import CHECKPOINTS  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard"),
]

QUIET = Progress(disable=True)


def trainer_at(value: float, epoch: int) -> Trainer:
    """What checkpoints need of a trainer: a megabyte of state and its epoch."""
    kept = [tf.Variable(tf.fill((250_000,), value)), tf.Variable(epoch, dtype=tf.int64)]
    return cast("Trainer", SimpleNamespace(state=lambda: kept, epoch=kept[1], kept=kept))


@pytest.mark.parametrize("small_disk", ["1500k"], indirect=True)
def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk: Path) -> None:
    with strong.restored_checkpoints(
        trainer_at(1.0, 1), small_disk, first=True, progress=QUIET
    ) as save:
        save()
    trainer = trainer_at(2.0, 1)
    with strong.restored_checkpoints(trainer, small_disk, first=True, progress=QUIET) as save:
        trainer.epoch.assign(2)
        with pytest.raises(AffectlineError, match="cannot write the checkpoint of epoch 2"):
            save()
    again = trainer_at(0.0, 0)
    with strong.restored_checkpoints(again, small_disk, first=True, progress=QUIET):
        assert int(again.epoch.numpy()) == 1
        assert float(again.state()[0][0]) == 1.0


def test_half_a_checkpoint_is_never_the_last(tmp_path: Path) -> None:
    with strong.restored_checkpoints(
        trainer_at(1.0, 1), tmp_path, first=True, progress=QUIET
    ) as save:
        save()
    # What a kill leaves: the next one's data, of which nothing tells yet.
    (tmp_path / CHECKPOINTS / "ckpt-2.data-00000-of-00001").write_bytes(b"half")
    again = trainer_at(0.0, 0)
    with strong.restored_checkpoints(again, tmp_path, first=True, progress=QUIET):
        assert int(again.epoch.numpy()) == 1


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    with strong.restored_checkpoints(
        trainer_at(1.0, 1), tmp_path, first=True, progress=QUIET
    ) as save:
        save()
    data = tmp_path / CHECKPOINTS / "ckpt-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with (
        pytest.raises(AffectlineError, match="cannot be read"),
        strong.restored_checkpoints(trainer_at(0.0, 0), tmp_path, first=True, progress=QUIET),
    ):
        pass


def save_two(folder: Path) -> Path:
    """Checkpoints of two epochs, with the value of the epoch."""
    trainer = trainer_at(1.0, 1)
    with strong.restored_checkpoints(trainer, folder, first=True, progress=QUIET) as save:
        save()
        trainer.epoch.assign(2)
        trainer.state()[0].assign(tf.fill((250_000,), 2.0))
        save()
    return folder / CHECKPOINTS


@pytest.mark.parametrize("content", [b"", b"half a li", b"\xff\xfe", None])
def test_a_run_goes_on_without_tensorflow_s_list_of_checkpoints(
    tmp_path: Path, content: bytes | None
) -> None:
    listed = save_two(tmp_path) / "checkpoint"
    if content is None:
        listed.unlink()
    else:
        listed.write_bytes(content)
    again = trainer_at(0.0, 0)
    with strong.restored_checkpoints(again, tmp_path, first=True, progress=QUIET) as save:
        assert (int(again.epoch.numpy()), float(again.state()[0][0])) == (2, 2.0)
        for epoch in (3, 4):
            again.epoch.assign(epoch)
            save()
    names = {path.name for path in listed.parent.glob("*.index")}
    assert names == {"ckpt-3.index", "ckpt-4.index"}, "old ones are still removed"


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_passed_over_with_a_line(tmp_path: Path, suffix: str) -> None:
    damaged = save_two(tmp_path) / f"ckpt-2.{suffix}"
    damaged.write_bytes(damaged.read_bytes()[:100])
    shown = Console(record=True, quiet=False, width=500)
    again, progress = trainer_at(0.0, 0), Progress(console=shown, disable=True)
    with strong.restored_checkpoints(again, tmp_path, first=True, progress=progress) as save:
        assert (int(again.epoch.numpy()), float(again.state()[0][0])) == (1, 1.0)
        again.epoch.assign(2)
        save()
    (line,) = shown.export_text().strip().splitlines()
    assert line.startswith("affectline-train: warning: the checkpoint ")
    assert line.endswith("going on from the one before")
    last = trainer_at(0.0, 0)
    with strong.restored_checkpoints(last, tmp_path, first=True, progress=QUIET):
        assert int(last.epoch.numpy()) == 2


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
