"""A peer with its own implementation of ZeroMQ's protocol (ZMTP 3.0), for illegal behaviour."""

import contextlib
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self


def _greeting(mechanism: bytes) -> bytes:
    name = mechanism.ljust(20, b"\0")
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + name + b"\0" + bytes(31)


GREETING: Final = _greeting(b"NULL")
CURVE_GREETING: Final = _greeting(b"CURVE")
"""The greeting of a peer that claims to have a key."""
HELLO: Final = b"\x04\xc8\x05HELLO\x01\x00" + bytes(72) + b"k" * 32 + b"n" * 8 + b"b" * 80
"""The next message: a key, and a box that nobody can open."""
MORE: Final = 1
LONG: Final = 2
COMMAND: Final = 4
PATIENCE_S: Final = 5.0


class RawPeer:
    """One connection.

    Args:
        where: The hub's port on this machine, or the file of a Unix socket.
        kind: The socket type that it claims to be.
        buffer: Size of its kernel receive buffer in bytes; None: the default.
        claims: Further properties that its handshake names: the metadata of its messages.
    """

    def __init__(
        self,
        where: int | str,
        kind: str,
        buffer: int | None = None,
        claims: Mapping[str, bytes] | None = None,
    ) -> None:
        is_file = isinstance(where, str)
        self.socket = socket.socket(socket.AF_UNIX if is_file else socket.AF_INET)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            self._greet(where, {"Socket-Type": kind.encode(), **(claims or {})})
        except OSError:
            self.socket.close()
            raise

    def _greet(self, where: int | str, properties: Mapping[str, bytes]) -> None:
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(where if isinstance(where, str) else ("127.0.0.1", where))
        self.socket.sendall(GREETING)
        self._read(len(GREETING))
        ready = b"\x05READY" + b"".join(_property(*one) for one in properties.items())
        self.socket.sendall(bytes([COMMAND, len(ready)]) + ready)
        _, length = self._read(2)
        self._read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, part: bytes, *, more: bool = False) -> None:
        """Send a part of a message.

        Raises:
            OSError: The hub has closed the connection.
        """
        self.socket.sendall(head(len(part), more=more) + part)

    def is_cut_off(self, timeout_s: float) -> bool:
        """Whether the hub closes the connection within this time."""
        self.socket.settimeout(timeout_s)
        with contextlib.suppress(TimeoutError):
            try:
                while self.socket.recv(1 << 20):
                    pass
            except ConnectionError:
                pass
            return True
        return False

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionResetError("the hub has closed the connection")
            data += piece
        return data


def _property(name: str, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value


def head(length: int, *, more: bool = False) -> bytes:
    """Return the header of a message part of this length."""
    return bytes([LONG | (MORE if more else 0)]) + struct.pack(">Q", length)
