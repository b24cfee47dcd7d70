"""Files that are there as a whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write under, beside the file; half a file never has its own name.

    Args:
        path: The file; its folder is made if need be, and what was there before is replaced.

    Raises:
        OSError: There is no room, or the like; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = part_of(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
