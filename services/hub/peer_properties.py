"""What libzmq tells about the connection by which a message came.

Without keys a peer chooses properties of its own: libzmq copies whatever its handshake names into
the metadata of each message, ``User-Id`` included, and any bytes. So names are read only where the
hub's authenticator has set them, which a peer cannot override.
"""

from typing import Final

import zmq

CONNECTION: Final = "Connection"
"""Property of messages: the unique name that the authenticator gave their connection."""
_MOST_DIGITS: Final = 9
"""Digits of a file descriptor; more are not one."""


def user_of(frame: zmq.Frame, *, has_keys: bool) -> str:
    """The name of the key that a message came with; empty if its peer has none.

    Args:
        frame: A part of the message.
        has_keys: Whether the socket requires keys; if not, nobody vouches for a name.
    """
    return _property(frame, "User-Id") if has_keys else ""


def connection_name_of(frame: zmq.Frame, *, has_keys: bool) -> str:
    """The unique name of the connection by which a message came; empty if it has none.

    Args:
        frame: A part of the message.
        has_keys: Whether the socket requires keys; if not, nobody vouches for a name.
    """
    return _property(frame, CONNECTION) if has_keys else ""


def connection_of(frame: zmq.Frame) -> int | None:
    """The file descriptor of the connection by which a message came; None: it is not known."""
    number = _property(frame, "__fd")
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    return int(number) if is_number else None


def address_of(frame: zmq.Frame) -> str:
    """The address of the peer that a message came from; on Unix sockets user, group and process."""
    return _property(frame, "Peer-Address")


def _property(frame: zmq.Frame, name: str) -> str:
    """A property of a message; empty if it has none of this name, or one that is not text."""
    try:
        return str(frame.get(name))
    except (zmq.ZMQError, UnicodeDecodeError):
        return ""
