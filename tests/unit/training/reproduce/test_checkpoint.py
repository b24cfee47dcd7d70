"""Checkpoints of the paper's head."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.common.errors import AffectlineError
from affectline.training.fit import paper_head_loop as head
from affectline.training.reproduce import checkpoint
from affectline.training.reproduce.checkpoint import Checkpoint, CurvePoint
from tests.unit.training.reproduce.test_single_run import equal

IDENTITY = {"data": "a"}


def checkpoint_at(epoch: int) -> Checkpoint:
    state = head.initial_state([np.full((2, 2), epoch, np.float32), np.zeros(2, np.float32)])
    return Checkpoint(
        replace(state, epoch=epoch, step=10 * epoch),
        (CurvePoint(epoch, 1.0, 0.5, 2.0, 0.25),),
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "run", checkpoint_at(7), IDENTITY)
    found, remarks = checkpoint.load(tmp_path / "run", IDENTITY)
    assert found is not None
    assert not remarks
    assert equal(found, checkpoint_at(7))
    assert found.state.epoch == 7


def test_no_checkpoint_is_no_mistake(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, IDENTITY) == (None, [])


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    tmp_path: Path, damage: str
) -> None:
    checkpoint.save(tmp_path, checkpoint_at(1), IDENTITY)
    checkpoint.save(tmp_path, checkpoint_at(2), IDENTITY)
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
    checkpoint.save(tmp_path, checkpoint_at(1), IDENTITY)
    (tmp_path / checkpoint.LATEST).rename(tmp_path / checkpoint.BEFORE)
    found, remarks = checkpoint.load(tmp_path, IDENTITY)
    assert found is not None
    assert not remarks


def test_another_run_s_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, checkpoint_at(1), IDENTITY)
    with pytest.raises(AffectlineError, match="another run"):
        checkpoint.load(tmp_path, {"data": "b"})


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, checkpoint_at(1), IDENTITY)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AffectlineError, match="No space left on device") as caught:
        checkpoint.save(tmp_path, checkpoint_at(2), IDENTITY)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == [checkpoint.LATEST]
    found, _ = checkpoint.load(tmp_path, IDENTITY)
    assert found is not None
    assert found.state.epoch == 1
