"""Changes on disk that are there when the call returns, or not there at all.

Everything that the booth writes or removes goes through these functions.
"""

import os
import shutil
from pathlib import Path

from affectline.common.atomic_file import part_of


def create(path: Path, data: bytes) -> None:
    """Write a new file."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Write a file anew: whatever happens, the old one or the new one is there as a whole."""
    part = part_of(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def rename(path: Path, to: Path) -> None:
    """Give a file or folder its name."""
    path.rename(to)
    sync(to.parent)


def remove(path: Path) -> None:
    """Remove a file, where it is there."""
    path.unlink(missing_ok=True)
    sync(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder with everything in it, where it is there."""
    if path.exists():
        shutil.rmtree(path)
        sync(path.parent)


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
