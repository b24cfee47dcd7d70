"""Names that are valid in topics and file names."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Name of a stream, subject or session, which is part of topics and file names."""
ServiceName = Annotated[str, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,2}$")]
"""Name of a process: its kind, and its material if there can be several, e.g. ``detector/cam``; of
a sensor's process, subject and sensor."""


def to_name(text: str) -> str:
    """Make a `Name` from any text; empty if no character of it is allowed."""
    kept = (c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return "".join(kept).strip("._-")[:64]


def shorten(name: str, most: int) -> str:
    """The name if it fits, else its beginning and six digits that tell it from similar names.

    Args:
        name: A `Name`.
        most: The most characters, at least 8.
    """
    if len(name) <= most:
        return name
    return f"{name[: most - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def sensor_service(subject: str, sensor: str = "") -> str:
    """Service name of the process that reads a sensor of a subject; without it their beginning.

    No subject contains a slash, so that the beginning fits no other subject.
    """
    return f"biometrics/{subject}/{sensor}"


MOST_TYPED: Final = 200
"""Maximum length of a typed name in characters."""
_LETTERS: Final = str.maketrans({
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
})  # fmt: skip
"""Letters that Unicode does not decompose into an ASCII letter and a mark."""
_APART: Final = re.compile(r"[\s/\\:;,|&+=-]+")
"""Separators between words."""
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that Windows reserves for devices."""


def safe_name(typed: str) -> str:
    """Make a folder name for a session from its typed name; always a `Name`.

    Accents are removed, separators between words become ``-``, and characters without an ASCII
    letter are dropped; the session itself keeps the name as typed.

    Example:
        >>> safe_name("Anna's 2nd drive / motorway")
        'Annas-2nd-drive-motorway'
        >>> safe_name("Zoë: Straße")
        'Zoe-Strasse'
    """
    text = unicodedata.normalize("NFKC", typed).translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", _APART.sub("-", text))
    kept = "".join(c for c in plain if c.isascii() and (c.isalnum() or c in "._-"))
    name = re.sub(r"-{2,}", "-", kept).strip("._-")[:64].strip("._-")
    if _RESERVED.match(name):
        name = f"session-{name}"[:64]
    return name or "session"


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name if it is free, else with the first free number appended: ``-2``, ...

    Args:
        name: A `Name`.
        is_taken: Whether a name exists already.
    """
    found, number = name, 1
    while is_taken(found):
        number += 1
        found = _numbered(name, number)
    return found


def is_numbered(name: str, of: str) -> bool:
    """Whether a name is another one, or may be derived from it by `free_name`."""
    _, _, number = name.rpartition("-")
    return name == of or (number.isdecimal() and name == _numbered(of, int(number)))


def _numbered(name: str, number: int) -> str:
    behind = f"-{number}"
    return name[: 64 - len(behind)] + behind
