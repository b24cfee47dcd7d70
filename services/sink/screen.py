"""Finds out whether there is a screen, and how large it is."""

import ctypes
import os
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

UNKNOWN: Final = (1280, 720)
"""Width and height in pixels to assume if the screen's size is unknown."""
TIMEOUT_S: Final = 2.0
COOKIE: Final = b"MIT-MAGIC-COOKIE-1"


class XDisplay(NamedTuple):
    """The address of an X server."""

    host: str
    """Empty: this machine, by a Unix socket."""
    number: int

    def connect(self) -> socket.socket:
        """Connect to the server.

        Raises:
            OSError: The server does not answer.
        """
        if self.host:
            return socket.create_connection((self.host, 6000 + self.number), timeout=TIMEOUT_S)
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(TIMEOUT_S)
        try:
            made.connect(f"/tmp/.X11-unix/X{self.number}")  # noqa: S108 - X11's own place
        except OSError:
            made.close()
            raise
        return made


def display_problem() -> str | None:
    """Why no window can be opened here; None if one can.

    Qt ends the whole process if it finds no screen, so this is checked first.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return None
    name = os.environ.get("DISPLAY", "")
    display = find_display(name)
    if display is None:
        return f"DISPLAY is {name!r}, which names no screen"
    try:
        display.connect().close()
    except OSError as error:
        return f"no X server answers at DISPLAY {name!r} ({error.strerror})"
    return None


def find_display(name: str) -> XDisplay | None:
    """The X server that a value of ``DISPLAY`` names; None if it names none."""
    match = re.fullmatch(r"(.*):(\d+)(?:\.\d+)?", name)
    return XDisplay(match[1].removeprefix("unix"), int(match[2])) if match else None


def screen_size() -> tuple[int, int]:
    """Width and height of the screen in pixels; `UNKNOWN` if they cannot be found out."""
    size = None
    with suppress(OSError, AttributeError, ValueError, struct.error):
        if sys.platform == "darwin":
            size = _mac_size()
        elif display := find_display(os.environ.get("DISPLAY", "")):
            size = _x11_size(display)
    return size if size and min(size) > 0 else UNKNOWN


def _mac_size() -> tuple[int, int]:
    graphics = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    main = graphics.CGMainDisplayID()
    graphics.CGDisplayPixelsWide.restype = graphics.CGDisplayPixelsHigh.restype = ctypes.c_size_t
    return graphics.CGDisplayPixelsWide(main), graphics.CGDisplayPixelsHigh(main)


def _x11_size(display: XDisplay) -> tuple[int, int] | None:
    """The size in an X server's greeting: loading an X library beside Qt's own could hang."""
    cookie = _find_cookie(display.number)
    name = COOKIE if cookie else b""
    greeting = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
    with display.connect() as server:
        server.sendall(greeting + _padded(name) + _padded(cookie))
        answer = server.makefile("rb")
        status, words = struct.unpack("<B5xH", answer.read(8))
        if status != 1:
            return None
        told = answer.read(4 * words)
    vendor, _, _, formats = struct.unpack_from("<HHBB", told, 16)
    screen = 32 + (vendor + 3) // 4 * 4 + 8 * formats
    width, height = struct.unpack_from("<HH", told, screen + 20)
    return width, height


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 4)


def _find_cookie(number: int) -> bytes:
    """The key to an X server, from the user's ``.Xauthority``; empty if it has none."""
    path = Path(os.environ.get("XAUTHORITY") or Path.home() / ".Xauthority")
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    at = 0
    while at + 2 < len(content):
        at += 2  # the kind of host
        fields = []
        for _ in range(4):  # host, number of the display, kind of key, key
            (length,) = struct.unpack_from(">H", content, at)
            fields.append(content[at + 2 : at + 2 + length])
            at += 2 + length
        if fields[1] in (b"", str(number).encode()) and fields[2] == COOKIE:
            return fields[3]
    return b""
