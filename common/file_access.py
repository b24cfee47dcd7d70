"""Permissions of files about people: readable by the owner, on request by a group, never by all.

A process that writes sessions calls `restrict` at its start. This applies to everything that it
creates from then on, by whichever library, and to the processes that it starts.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

OWNER: Final = 0o077
"""Umask: folders 0700, files 0600."""
GROUP: Final = 0o027
"""Umask: folders 0750, files 0640."""
SESSION_FILES: Final = ("session.json", "session.mcap")
"""Files that mark a folder as a session."""


def restrict(*, group: bool) -> None:
    """Keep others from reading files that this process creates from now on.

    Args:
        group: Whether the folder's group may read them.
    """
    os.umask(GROUP if group else OWNER)


@contextmanager
def restricted(*, group: bool) -> Iterator[None]:
    """Keep others from reading files created in the block; see `restrict`."""
    before = os.umask(GROUP if group else OWNER)
    try:
        yield
    finally:
        os.umask(before)


def current_mask() -> int:
    """This process's umask, which can only be read by setting it."""
    mask = os.umask(OWNER)
    os.umask(mask)
    return mask


def make_folder(path: Path, mask: int | None = None) -> None:
    """Make a folder and its parents; existing ones are unchanged.

    The mode is set explicitly, because default ACLs of a folder override a umask.

    Args:
        path: The folder.
        mask: Permissions to withhold, no others; None: those that this process's umask withholds.
    """
    mode = 0o777 & ~(current_mask() if mask is None else mask)
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=mode, exist_ok=True)
            if mask is not None:  # a umask may withhold more
                folder.chmod(mode)


@contextmanager
def as_the_session(path: Path) -> Iterator[None]:
    """Give files created in the block the same readers as the session that they belong to.

    Args:
        path: Where they are created. Outside session folders, the user's umask applies.
    """
    mask = _session_mask(path)
    if mask is None:
        yield
        return
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _session_mask(path: Path) -> int | None:
    for folder in (path.resolve(), *path.resolve().parents):
        for name in SESSION_FILES:
            if (folder / name).is_file():
                is_shared = (folder / name).stat().st_mode & 0o040
                return GROUP if is_shared else OWNER
    return None
