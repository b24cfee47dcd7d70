"""Names that can be part of a topic and of a file's name."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A stream's, subject's or session's name: it becomes part of topics and of file names."""
ServiceName = Annotated[str, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")]
"""A process: its kind, and what it works on where there are several, e.g. ``detector/cam``."""


def to_name(text: str) -> str:
    """Make a `Name` of any text; empty where nothing of it can stay."""
    kept = (c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return "".join(kept).strip("._-")[:64]


MOST_TYPED: Final = 200
"""Characters of a name as it was typed."""
_LETTERS: Final = str.maketrans({
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
})  # fmt: skip
"""Letters that Unicode does not take apart into one of ASCII and a mark."""
_APART: Final = re.compile(r"[\s/\\:;,|&+=-]+")
"""What stands between words."""
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def safe_name(typed: str) -> str:
    """The name of a folder for a session whose name somebody has typed; always a `Name`.

    Letters lose their accents, what stands between words becomes ``-``, and what has no letter in
    ASCII is left out: the name as it was typed is kept in the session itself.

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
    """The same name where it is free, else with the first number behind it that is: ``-2``, ...

    Args:
        name: A `Name`.
        is_taken: Whether there is such a one already.
    """
    found, number = name, 1
    while is_taken(found):
        number += 1
        found = _numbered(name, number)
    return found


def is_numbered(name: str, of: str) -> bool:
    """Whether `free_name` may have made a name of another one, or left it as it is."""
    _, _, number = name.rpartition("-")
    return name == of or (number.isdecimal() and name == _numbered(of, int(number)))


def _numbered(name: str, number: int) -> str:
    behind = f"-{number}"
    return name[: 64 - len(behind)] + behind
