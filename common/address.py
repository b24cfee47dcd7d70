"""Addresses of cameras and films: parsing, and showing them without secrets.

Cameras accept passwords in several places: before the host (``rtsp://admin:secret@HOST``), in a
query (``?user=admin&pwd=secret``), or in the path (``/user=admin&password=secret&channel=1``). Some
paths are secrets themselves. So only scheme, host and port are ever shown.

`urllib.parse` parses addresses. By its standard (RFC 3986) an ``@``, ``/``, ``?`` or ``#`` in a
password must be escaped (``%40``, ``%2F``, ``%3F``, ``%23``), which people often do not do.
``p@ss`` is read as intended. So is ``pa/ss``, because otherwise the port would not be a number;
`escaped` turns it into an address that FFmpeg understands. If two readings remain, the standard's
one is opened, and not even the host is shown.
"""

import ipaddress
import os
import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

HIDDEN: Final = "***"
STORES: Final = frozenset({
    "abfs", "adl", "az", "gcs", "gs", "hdfs", "memory", "oss", "r2", "s3", "s3a", "webhdfs",
})  # fmt: skip
"""Schemes of object stores, read by fsspec: such an address is a file, not a secret."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s'\"]+")
"""The length of the scheme is limited: otherwise a long word is searched from each letter."""
_STDIN: Final = re.compile(r"-|/dev/stdin|/proc/\d+/fd/0")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.-]*)(?::\d{1,5})?")
_HALF_AN_ADDRESS: Final = re.compile(r"\A[^:]*:.*@|[?&][^?&=/]+=", re.DOTALL)
"""A user with a password, or parameters, in a text without a scheme."""
_SAFE_IN_LOGIN: Final = "!$&'()*+,;=:~%"
"""Characters allowed unescaped before the ``@``; ``%`` because the rest may be escaped already."""
SHORT_PATH: Final = 12
"""Length of a path in characters below which it is too common to be searched for in texts."""


def is_address(source: str) -> bool:
    """Whether a source is an address of a file or of another host."""
    return _ADDRESS.match(source) is not None


def is_stored(source: str) -> bool:
    """Whether a source is a file or folder of an object store."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in STORES


def parse(address: str) -> SplitResult | None:
    """Parse an address as intended; None if that is ambiguous.

    A user and password that contain ``/``, ``?`` or ``#`` are escaped in the result.
    """
    standard = _split(address)
    match = _ADDRESS.match(address)
    if match is None:
        return None
    login, at, _ = match[2].rpartition("@")
    if not at or not re.search("[/?#]", login):
        return standard or _split(_escape_login(address))
    if standard is None:  # the part before the slash is not a host with a port: it is a password
        return None if re.search("[=@]", login) else _split(_escape_login(address))
    is_in_query = "@" not in standard.netloc + standard.path and parse_qsl(standard.query)
    return standard if is_in_query or _is_number(standard.hostname) else None


def escaped(address: str) -> str:
    """An address that libraries understand: a password with a slash in it is escaped."""
    parts = parse(address)
    return address if parts is None or _split(address) else parts.geturl()


def with_login(address: str, user: str | None, password: str) -> str:
    """Add a user and a password of any characters to an address.

    Args:
        address: It may contain the user already.
        user: The user; None: the one in the address.
        password: The password, not escaped.

    Raises:
        ValueError: There are two users, two passwords or no user, or it is not an address.
    """
    parts = parse(address)
    if parts is None or not parts.hostname:
        raise ValueError("is not an address with a host")
    if parts.password:
        raise ValueError("already has a password")
    if user and parts.username:
        raise ValueError("already has a user")
    name = user or unquote(parts.username or "")
    if not name:
        raise ValueError("has no user for the password")
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(name, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{host}").geturl()


def host_of(address: str) -> str:
    """The host of an address; empty if it is ambiguous, or may be part of a password."""
    parts = parse(address)
    return parts.hostname or "" if parts and _HOST.fullmatch(_place(parts)) else ""


def looks_secret(text: str) -> bool:
    """Whether a text that is not an address looks like a mistyped one with a password."""
    return _HALF_AN_ADDRESS.search(text) is not None


def redact(source: str) -> str:
    """A source in a form to show and store: of an address, only scheme, host and port."""
    if _STDIN.fullmatch(source):
        return "standard input"
    match = _ADDRESS.match(source)
    if match is None:
        return display_text(_without_halves(source))
    scheme = match[1]
    if scheme.lower() == "file" or (is_stored(source) and not re.search("[@?=]", source)):
        return display_text(source)
    parts = parse(source)
    if parts is None or not _HOST.fullmatch(_place(parts)):
        return f"{scheme}://{HIDDEN}"
    has_more = parts.path.strip("/") or parts.query or parts.fragment
    return display_text(f"{scheme}://{_place(parts)}{f'/{HIDDEN}' if has_more else parts.path}")


def redact_text(text: str) -> str:
    """A text without the secrets of addresses in it; addresses without any are unchanged."""
    return _IN_TEXT.sub(lambda m: redact(m[0]) if re.search("[@?=]", m[0]) else m[0], text)


def display_text(name: str) -> str:
    r"""A file's name as valid text: bytes that are not UTF-8 are written as ``\xeb``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


_remembered: dict[str, str] = {}
"""Texts that this process must not show, and their replacements."""


def remember(source: str) -> None:
    """Have `conceal` remove this source's secrets from now on."""
    shown = redact(source)
    if shown == source or shown == "standard input":
        return
    rest = source.partition("://")[2]
    found = {source: shown, escaped(source): shown, rest: shown.partition("://")[2]}
    parts = parse(source) or _split(source)
    if parts and parts.password:
        login = parts.netloc.rpartition("@")[0]
        found |= {f"{login}@": "", rest.rpartition("@")[0] + "@": ""}
    place = parts.path + (f"?{parts.query}" if parts.query else "") if parts else ""
    if "=" in place or len(place) > SHORT_PATH:
        found |= {place: f"/{HIDDEN}", parts.query if parts else "": HIDDEN}
    _remembered.update({text: instead for text, instead in found.items() if text})


def conceal(text: str) -> str:
    """A text without the secrets of remembered sources and of all addresses in it."""
    for secret in sorted(_remembered, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, _remembered[secret])
    return redact_text(text)


def _split(address: str) -> SplitResult | None:
    """Split an address by the standard; None if host and port are not valid."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is not valid
    except ValueError:
        return None
    return parts


def _escape_login(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    login, at, place = rest.rpartition("@")
    login = re.sub("%(?![0-9A-Fa-f]{2})", "%25", login)
    return f"{scheme}{mark}{quote(login, safe=_SAFE_IN_LOGIN)}{at}{place}"


def _place(parts: SplitResult) -> str:
    """Host and port, as written."""
    return parts.netloc.rpartition("@")[2]


def _is_number(host: str | None) -> bool:
    """Whether a host is a number or localhost: names and passwords do not look like that."""
    try:
        ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host == "localhost"
    return True


def _without_halves(source: str) -> str:
    """A source that is not an address, hidden if it looks like a mistyped one."""
    if os.path.lexists(source):
        return source
    if "://" in source:
        return _IN_TEXT.sub(lambda m: redact(m[0]), source)
    return HIDDEN if looks_secret(source) else source
