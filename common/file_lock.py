"""Locks on files and folders that exclude other processes until they are closed."""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class OpenFile(Protocol):
    """An open file."""

    def fileno(self) -> int: ...


def try_lock(file: OpenFile | int, *, shared: bool = False) -> bool:
    """Lock an open file or folder; False if another process has locked it.

    Closing the file, or any end of the process, releases the lock. On file systems without
    locks, such as some network file systems, every call succeeds.

    Args:
        file: The file, or its descriptor.
        shared: Whether others may lock it in the same way.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def is_locked(path: Path) -> bool:
    """Whether another process has locked a file for itself."""
    with suppress(OSError), path.open("rb") as opened:
        return not try_lock(opened, shared=True)
    return False
