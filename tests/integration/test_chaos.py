"""A part of `make chaos`: one cell for each way in which something was lost once."""

import threading
from pathlib import Path

import pytest

from tests.chaos.cells import select
from tests.chaos.trial import Trial

PATIENCE_S = 20.0
"""Tests share the machine: how soon frames flow again is what `make chaos` measures."""
CELLS = (
    "live/SIGKILL/detector",  # every loss is counted, exactly
    "record/SIGKILL/recorder+fusion",  # the recorder's word counts
    "record/SIGKILL/all8",  # whoever dies, others have kept it
    "blurred/SIGSTOP/recorder",  # a film waits for a recorder that hangs
    "replay/SIGKILL/hub",  # a replay loses no more than a film
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CELLS)
def test_what_is_promised_is_kept(name: str, tmp_path: Path) -> None:
    [cell] = select([name])
    folder = tmp_path / "cell"
    folder.mkdir()
    result = Trial(cell, folder, threading.Lock(), next_frame_s=PATIENCE_S).run()
    assert result.verdict == "kept", result.broken
