"""The folder of a run's session: new or empty, and one run's alone."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from affectline.common.errors import AffectlineError
from affectline.common.file_access import GROUP, OWNER, make_folder
from affectline.common.file_lock import try_lock
from affectline.common.settings.sources import numbered


def free_folders(stream: str) -> Iterator[Path]:
    """Folders for a session that has none, the best first; they may exist.

    Args:
        stream: Name of its first stream.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return (Path("sessions") / name for name in numbered(f"{stamp}-{stream}"))


def require_free(folder: Path) -> None:
    """Check that a folder is empty, or that there is none.

    Raises:
        AffectlineError: It is not.
    """
    try:
        is_occupied = any(folder.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise _not_a_folder(folder) from error
    except OSError as error:
        raise _unusable(folder, error) from error
    if is_occupied:
        raise AffectlineError(
            f"--out {folder}: exists and is not an empty folder",
            "name a new one; nothing is overwritten",
        )


@contextmanager
def claim_folder(out: Path | None, stream: str, *, group_access: bool) -> Iterator[Path]:
    """Yield the folder of a session, which no other run uses meanwhile.

    Folders that were made here and are still empty at the end are removed.

    Args:
        out: The folder; None: a new one below ``sessions``.
        stream: Name of its first stream, for the name of a new one.
        group_access: Whether the folder's group may read the session.

    Raises:
        AffectlineError: The folder is not empty, another run uses it, or it cannot be made.
    """
    mask = GROUP if group_access else OWNER
    places = free_folders(stream) if out is None else iter((out,))
    folder = next(places)
    while not (made := _make(folder, mask)) and out is None:
        folder = next(places)
    descriptor = _open(folder)
    try:
        if not try_lock(descriptor):
            raise AffectlineError(
                f"--out {folder}: another run writes its session there", "name another folder"
            )
        require_free(folder)
        yield folder.absolute()
    finally:
        with suppress(OSError):  # it is not empty
            for one in made:
                one.rmdir()
        os.close(descriptor)


def _make(folder: Path, mask: int) -> list[Path]:
    """Make a folder and those above it; return what was made, nothing if the folder exists."""
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    try:
        make_folder(folder.parent, mask)
        folder.mkdir(mode=0o777 & ~mask)
    except FileExistsError as error:
        if folder.is_dir():
            return []
        raise _not_a_folder(folder) from error
    except NotADirectoryError as error:
        raise _not_a_folder(folder) from error
    except OSError as error:
        raise AffectlineError(
            f"--out {folder}: cannot write ({error.strerror})", "name a folder of your own"
        ) from error
    return missing


def _open(folder: Path) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(folder, error) from error


def _not_a_folder(folder: Path) -> AffectlineError:
    """What is wrong where a file stands in the place of a folder or of one above it."""
    file = next((one for one in (folder, *folder.parents) if one.is_file()), folder)
    return AffectlineError(f"--out {folder}: {file} is not a folder", "name another folder")


def _unusable(folder: Path, error: OSError) -> AffectlineError:
    return AffectlineError(
        f"--out {folder}: cannot be used ({error.strerror})", "name a folder of your own"
    )
