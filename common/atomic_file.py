"""Atomic changes on disk: complete or not at all, even if a process dies or a disk fills up.

A file is written under another name in the same folder and then renamed. When a call returns, the
change is on disk and survives a power failure, unless ``sync=False`` was given.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


def partial_path(path: Path) -> Path:
    """The temporary path of a file or folder before it takes its place."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def atomic_write(
    path: Path, *, sync: bool = True, backup: Path | None = None, shared: bool = False
) -> Iterator[Path]:
    """Yield a path to write to; the file replaces ``path`` when the block ends without an error.

    Args:
        path: The file; its folder must exist. After any failure its former content is unchanged.
        sync: Whether the content must be on disk before the file takes its place.
        backup: Where to keep the former file, if there was one.
        shared: Other processes may write the same file at the same time; the last one wins.

    Raises:
        OSError: The file could not be written.
    """
    partial = partial_path(path)
    if shared:
        partial = partial.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        if sync:
            _sync(partial)
        if backup and path.exists():
            path.replace(backup)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write or replace a file."""
    with atomic_write(path, sync=sync) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str, *, sync: bool = True) -> None:
    """Write or replace a file in UTF-8."""
    write_bytes(path, text.encode(), sync=sync)


def create(path: Path, data: bytes) -> None:
    """Write a new file in place; it may be incomplete if the process dies meanwhile.

    Raises:
        FileExistsError: The file exists already.
    """
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def rename(path: Path, to: Path) -> None:
    """Rename a file or folder."""
    path.rename(to)
    sync_folder(to.parent)


def remove(path: Path) -> None:
    """Remove a file if it exists."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder that replaces ``path`` when the block ends without an error.

    Args:
        path: The folder; its parent must exist. After any failure it is unchanged.
    """
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as staging:
        new, old = Path(staging) / "new", Path(staging) / "old"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder with everything in it if it exists."""
    if path.exists():
        shutil.rmtree(path)
        sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Wait until a folder and everything in it are on disk."""
    for place, _, files in os.walk(folder):
        for name in files:
            _sync(Path(place) / name)
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not sync folders
            raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
