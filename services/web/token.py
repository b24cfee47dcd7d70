"""Access tokens: each is generated once and stored in a file that only its owner can read."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common import file_access
from affectline.common.errors import AffectlineError

TOKEN_BYTES: Final = 32
DEFAULT_FILE: Final = ".dashboard-token"
"""It cannot be a session's name, because those begin with a letter or a digit."""


VIEWER_SUFFIX: Final = "-viewer"


class Token(NamedTuple):
    """The token, and whether it was just generated."""

    text: str
    is_new: bool


def viewer_file(path: Path) -> Path:
    """File of the viewers' token, beside the operator's."""
    return path.with_name(path.name + VIEWER_SUFFIX)


def load_or_create(path: Path) -> Token:
    """Read the token, or generate one.

    A file that others may have read or written is replaced.

    Raises:
        AffectlineError: The file can be neither read nor written.
    """
    try:
        known = _read(path)
        if known:
            return Token(known, is_new=False)
        file_access.make_folder(path.parent)
        path.unlink(missing_ok=True)
        text = secrets.token_urlsafe(TOKEN_BYTES)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
    except OSError as error:
        raise AffectlineError(
            f"the token file {path} cannot be used ({error.strerror})",
            "name another file with dashboard.token_file in the settings",
        ) from error
    return Token(text, is_new=True)


def _read(path: Path) -> str:
    """The token; empty if there is no trustworthy one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, OSError) as error:
        if isinstance(error, FileNotFoundError) or path.is_symlink():
            return ""
        raise
    with os.fdopen(descriptor, errors="replace") as file:
        about = os.fstat(descriptor)
        private = stat.S_ISREG(about.st_mode) and not about.st_mode & 0o077
        if not private or about.st_uid != os.geteuid():
            return ""
        text = file.read(1000).strip()
    return text if len(text) >= TOKEN_BYTES else ""
