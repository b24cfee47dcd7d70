"""Sources as they may be shown and stored: without passwords, and as text that every file can hold.

Cameras take passwords in several places: before the host (``rtsp://admin:secret@HOST``, where it
may hold ``@`` and ``/`` that nobody escaped), in a query (``?user=admin&pwd=secret``), and as a
part of the path (``/user=admin&password=secret&channel=1``).
"""

import os
import re
from typing import Final

HIDDEN: Final = "***"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_STDIN: Final = re.compile(r"-|/dev/stdin|/proc/\d+/fd/0")
_VALUE: Final = re.compile(r"([?&;/,])([^?&;/,=@]*)=([^&;]*)")
_HARMLESS: Final = frozenset({
    "camera", "channel", "fps", "height", "id", "profile", "proto", "quality", "resolution",
    "stream", "subtype", "type", "unicast", "width",
})  # fmt: skip
"""Parameters whose short values tell two cameras apart. All others may be secret, whatever they
are called."""


def redact(source: str) -> str:
    """A source as it may be shown and stored: an address without user, password and parameters.

    Where it cannot be told what belongs to a password, more is left out, rather than less.
    """
    if _STDIN.fullmatch(source):
        return "standard input"
    match = _ADDRESS.match(source)
    if match is None or match.group().lower() == "file://":
        return display_text(source)
    scheme, rest = match.group(), source[match.end() :]
    user, at, place = rest.rpartition("@")
    if at and _VALUE.search(user):
        # Either a parameter's value with an "@", or a password with a "=": who can tell?
        place = HIDDEN if ":" in user else rest
    return display_text(scheme + _VALUE.sub(_hide, place))


def redact_text(text: str) -> str:
    """A text without the passwords of the addresses in it."""
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+", lambda match: redact(match.group()), text)


def display_text(name: str) -> str:
    r"""A file's name as valid text: bytes of it that are no UTF-8 are written ``\xeb``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _hide(match: re.Match[str]) -> str:
    mark, key, value = match.groups()
    is_harmless = key.lower() in _HARMLESS and re.fullmatch(r"[\w.]{1,8}", value)
    return f"{mark}{key}={value if is_harmless else HIDDEN}"
