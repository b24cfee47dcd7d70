import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from affectline.common import atomic_file
from affectline.common.atomic_file import atomic_write, partial_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with atomic_write(file) as partial:
        partial.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_is_there(tmp_path: Path, error: type[BaseException]) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def write_half() -> None:
        with atomic_write(file, backup=tmp_path / "b.txt") as partial:
            partial.write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_former_file_can_be_kept(tmp_path: Path) -> None:
    file, backup = tmp_path / "a.txt", tmp_path / "b.txt"
    for text in ("1", "2", "3"):
        with atomic_write(file, backup=backup) as partial:
            partial.write_text(text)
    assert (file.read_text(), backup.read_text()) == ("3", "2")


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with atomic_write(file, shared=True) as partial:
        assert str(os.getpid()) in partial.name
        assert partial != partial_path(file)
        partial.write_text("whole")
    assert file.read_text() == "whole"


def test_content_is_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_file.write_text(file, "new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]
    atomic_file.write_text(file, "new", sync=False)
    assert file.read_text() == "new"


def test_a_file_system_that_syncs_no_folders_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unsupported)
    atomic_file.sync_folder(tmp_path)
    atomic_file.rename(tmp_path, tmp_path.with_name("other"))


@pytest.mark.parametrize("small_disk", ["300k"], indirect=True)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(small_disk: Path) -> None:
    folder = small_disk / "folder"
    folder.mkdir()
    atomic_file.write_text(folder / "a.txt", "old")
    with pytest.raises(OSError, match="No space"):
        atomic_file.write_bytes(folder / "a.txt", os.urandom(1_000_000))
    assert (folder / "a.txt").read_text() == "old"
    assert names(folder) == ["a.txt"]


def test_an_existing_file_is_not_created_again(tmp_path: Path) -> None:
    atomic_file.create(tmp_path / "a.txt", b"1")
    with pytest.raises(FileExistsError):
        atomic_file.create(tmp_path / "a.txt", b"2")
    assert (tmp_path / "a.txt").read_bytes() == b"1"


def test_what_is_not_there_can_be_removed(tmp_path: Path) -> None:
    for change in (atomic_file.remove, atomic_file.remove_folder):
        change(tmp_path / "nothing")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")
    atomic_file.remove_folder(tmp_path / "a")
    assert not names(tmp_path)


def old_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("old")
    return folder


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    with atomic_file.replace_folder(folder) as new:
        (new / "other").write_text("new")
        assert names(folder) == ["weights"]
    assert names(folder) == ["other"]
    assert names(tmp_path) == ["model"]


def fail_on(call: int, rename: Callable[..., Path]) -> Callable[..., Path]:
    calls = iter(range(1, 10))

    def renamed(path: Path, to: Path) -> Path:
        if next(calls) == call:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, to)

    return renamed


@pytest.mark.parametrize("call", [1, 2])
def test_after_a_failure_the_old_folder_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    folder = old_folder(tmp_path)
    monkeypatch.setattr(Path, "rename", fail_on(call, Path.rename))
    with (
        pytest.raises(OSError, match="Input/output"),
        atomic_file.replace_folder(folder) as new,
    ):
        (new / "other").write_text("new")
    assert names(folder) == ["weights"]
    assert names(tmp_path) == ["model"]
