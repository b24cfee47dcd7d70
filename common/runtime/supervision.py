"""The link between a supervisor and its child: one socket pair, watched from both ends.

The child sends its heartbeat on it, and the reason when it stops permanently. When either end dies,
the other sees the end of the stream at once: the supervisor restarts the child, and a child
without a supervisor stops. The link does not need the bus: it works before the bus is up, and when
the bus is full.
"""

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from affectline.common.clock import monotonic

LINK_FD: Final = "AFFECTLINE_LINK_FD"
"""Environment variable: file descriptor of the child's end."""
HEARTBEAT_FILE: Final = "AFFECTLINE_HEARTBEAT_FILE"
"""Environment variable: a file that a process touches at every heartbeat once its set-up is done,
for container health checks."""
BEAT_S: Final = 0.5
EXIT_GIVEN_UP: Final = 78
"""Exit code of a process that must not be restarted (``EX_CONFIG`` of sysexits.h)."""

ALIVE: Final = b"-"
READY: Final = b"+"
FATAL: Final = b"!"
"""Followed by the reason why this process stops and must not be restarted."""


def heartbeat_file() -> Path | None:
    """The file that this process touches at every heartbeat, if there is one."""
    path = os.environ.get(HEARTBEAT_FILE)
    return Path(path) if path else None


class SupervisorLink:
    """The child's end of the link; does nothing if there is no supervisor."""

    def __init__(self) -> None:
        fd = os.environ.pop(LINK_FD, None)
        self.socket = socket.socket(fileno=int(fd)) if fd else None
        if self.socket:
            self.socket.setblocking(False)
        self._file = heartbeat_file()
        self.next_beat = 0.0
        """When the next heartbeat is due, by `affectline.common.clock.monotonic`."""
        self._is_ready = False

    def beat(self) -> None:
        """Send one heartbeat."""
        self._send(ALIVE)
        if self._file and self._is_ready:
            self._file.touch()

    def keep_alive(self) -> bool:
        """Send a heartbeat when it is due; False once the supervisor is gone."""
        if monotonic() < self.next_beat:
            return True
        self.next_beat = monotonic() + BEAT_S
        self.beat()
        return not self.supervisor_gone()

    def report_ready(self) -> None:
        """Report that the set-up is done: from now on a missing heartbeat means a fault."""
        self._is_ready = True
        self._send(READY)

    def report_fatal(self, reason: str) -> bool:
        """Report why this process stops and must not be restarted.

        Args:
            reason: The reason, in one line.

        Returns:
            False if there is no supervisor to report to.
        """
        return self._send(FATAL + reason.encode())

    def supervisor_gone(self) -> bool:
        """True once the supervisor has died or closed its end."""
        if self.socket is None:
            return False
        try:
            return self.socket.recv(64) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the descriptor."""
        if self.socket:
            self.socket.close()

    def _send(self, data: bytes) -> bool:
        if self.socket is None:
            return False
        with contextlib.suppress(OSError):  # buffer full: it has heartbeats to read
            self.socket.send(data)
            return True
        return False
