"""Who may read what is written of people: its owner, where that is asked for a group, never all.

A process that writes sessions calls `restrict` when it begins, and everything that it makes follows
from then on, whichever library makes it; so do the processes that it starts.
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
_MARKS: Final = ("session.json", "session.mcap")
"""What makes a folder a session's."""


def restrict(*, group: bool) -> None:
    """Let nobody else read what this process makes from now on.

    Args:
        group: The folder's group may.
    """
    os.umask(GROUP if group else OWNER)


@contextmanager
def restricted(*, group: bool) -> Iterator[None]:
    """Let nobody else read what this process makes meanwhile; see `restrict`."""
    before = os.umask(GROUP if group else OWNER)
    try:
        yield
    finally:
        os.umask(before)


def make_folder(path: Path, mask: int | None = None) -> None:
    """Make a folder, and those above it; what is there already stays as it is.

    The mode is given to each, because a folder's own defaults (ACL) override a umask.

    Args:
        path: The folder.
        mask: Permissions that it does not give; None: those that this process gives nobody.
    """
    if mask is None:
        mask = os.umask(OWNER)
        os.umask(mask)
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=0o777 & ~mask, exist_ok=True)


@contextmanager
def as_the_session(path: Path) -> Iterator[None]:
    """Files that are made meanwhile can be read by whoever can read the session they belong to.

    Args:
        path: Where they go. Outside of session folders the user's own umask decides.
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
        for name in _MARKS:
            if (folder / name).is_file():
                is_shared = (folder / name).stat().st_mode & 0o040
                return GROUP if is_shared else OWNER
    return None
