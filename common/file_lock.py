"""Locks of files and folders, which keep other processes out until they are closed."""

import fcntl
from typing import Protocol


class OpenFile(Protocol):
    """An open file."""

    def fileno(self) -> int: ...


def try_lock(file: OpenFile | int, *, shared: bool = False) -> bool:
    """Lock an open file or folder; False where another process has locked it.

    It is unlocked when it is closed, or its process ends in whatever way. File systems that know no
    locks, as some of networks, keep nobody out.

    Args:
        file: The file, or its descriptor.
        shared: Others may lock it in the same way.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True
