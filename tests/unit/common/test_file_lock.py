"""Locks of files, between two openings of the same one."""

import fcntl
import os
from pathlib import Path

import pytest

from affectline.common.file_lock import try_lock


def test_one_at_a_time_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as first, path.open() as second:
        assert try_lock(first)
        assert not try_lock(second)
        assert not try_lock(second, shared=True)
    with path.open() as third, path.open() as fourth:
        assert try_lock(third, shared=True)
        assert try_lock(fourth, shared=True)
        assert not try_lock(fourth)


def test_folders_can_be_locked(tmp_path: Path) -> None:
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(2)]
    assert [try_lock(one) for one in descriptors] == [True, False]
    for one in descriptors:
        os.close(one)


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "file").open("w") as file:
        assert try_lock(file)
