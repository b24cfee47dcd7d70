"""The link between a supervisor and its child: one socket pair, watched from both ends.

The child sends its heartbeat on it, and the reason when it stops for good. When either end dies
the other sees the end of the stream at once: the supervisor restarts the child, and a child whose
supervisor is gone stops. It works where the bus does not: before it is up, when it is full, and
without it.
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
"""Environment variable: a file to touch at every beat of a process that has finished setting up,
for container health checks."""
BEAT_S: Final = 0.5
EXIT_GIVEN_UP: Final = 78
"""Exit code of a process that must not be restarted (``EX_CONFIG`` of sysexits.h)."""

ALIVE: Final = b"-"
READY: Final = b"+"
FATAL: Final = b"!"
"""What follows is the reason why this process stops and must not be restarted."""


class SupervisorLink:
    """The child's end; harmless where there is no supervisor."""

    def __init__(self) -> None:
        fd = os.environ.pop(LINK_FD, None)
        self.socket = socket.socket(fileno=int(fd)) if fd else None
        if self.socket:
            self.socket.setblocking(False)
        path = os.environ.get(HEARTBEAT_FILE)
        self._file = Path(path) if path else None
        self.next_beat = 0.0
        """When `keep_alive` has something to do again, by `affectline.common.clock.monotonic`."""
        self._is_ready = False

    def beat(self) -> None:
        """Send one heartbeat."""
        self._send(ALIVE)
        if self._file and self._is_ready:
            self._file.touch()

    def keep_alive(self) -> bool:
        """Beat when it is time; False once the supervisor is gone."""
        if monotonic() < self.next_beat:
            return True
        self.next_beat = monotonic() + BEAT_S
        self.beat()
        return not self.supervisor_gone()

    def report_ready(self) -> None:
        """Report that the set-up is over: from now on a missing heartbeat means a fault."""
        self._is_ready = True
        self._send(READY)

    def report_fatal(self, reason: str) -> bool:
        """Report in one line why this process stops and must not be restarted.

        Returns:
            False where there is no supervisor to report to.
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
        with contextlib.suppress(OSError):  # a full buffer: the supervisor has beats to read
            self.socket.send(data)
            return True
        return False
