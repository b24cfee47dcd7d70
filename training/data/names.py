"""Names of pictures and people, in one form, whatever program or system wrote them."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

_BAD: Final = "\ufffd"
_ESCAPED: Final = re.compile(f"{_BAD}([89A-F][0-9A-F])")


def escape_bytes(text: str) -> str:
    """Escape bytes that are not UTF-8, which Python represents by lone surrogates.

    Each becomes U+FFFD and two hexadecimal digits, so that any file can hold the text, any program
    can read it, and `restore_bytes` gives the bytes back. Escaping twice changes nothing more.
    """
    if text.isascii():
        return text
    return "".join(
        f"{_BAD}{ord(sign) - 0xDC00:02X}" if "\udc80" <= sign <= "\udcff" else sign for sign in text
    )


def restore_bytes(text: str) -> str:
    """The text from before `escape_bytes`, as the functions of a file system take it."""
    return _ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)


def normalise_path(text: str) -> str:
    """A picture's path below its folder in its one form: ``happy/0017.png``.

    Windows' separators become ``/``; ``./`` and doubled separators are left out; bytes that are not
    UTF-8 are escaped.
    """
    if not text:
        return ""
    return PurePosixPath(escape_bytes(text).replace("\\", "/")).as_posix()


def find_alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Names that differ only in case, spaces or the form of their Unicode characters.

    Args:
        names: Names, in any order and number.

    Returns:
        Several spellings of one name each, sorted.
    """
    spellings: dict[str, set[str]] = {}
    for name in set(names):
        whole = unicodedata.normalize("NFKC", name).casefold()
        spellings.setdefault("".join(whole.split()), set()).add(name)
    return sorted(tuple(sorted(alike)) for alike in spellings.values() if len(alike) > 1)
