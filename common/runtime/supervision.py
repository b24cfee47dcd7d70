"""The thread between a supervisor and its child: one socket pair, watched from both ends.

The child says "alive" on it, which keys in its window are for others, and in words why it gives up.
When either end dies the other sees the end of the stream at once: the supervisor restarts the
child, and a child whose supervisor is gone stops. It works where the bus does not: before it is up,
when it is full, and without it.
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
LAST_WORDS: Final = b"!"
"""Everything else, before these, is a key."""


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
        """Say that this process is alive and doing its work."""
        self._send(ALIVE)
        if self._file and self._is_ready:
            self._file.touch()

    def keep_alive(self) -> bool:
        """Beat when it is time; False once the supervisor is gone."""
        if monotonic() < self.next_beat:
            return True
        self.next_beat = monotonic() + BEAT_S
        self.beat()
        return not self.cut()

    def ready(self) -> None:
        """Say that the setting up is over: from now on silence means trouble."""
        self._is_ready = True
        self._send(READY)

    def press(self, key: str) -> None:
        """Say that a key was pressed that is for the supervisor."""
        self._send(key.encode())

    def give_up(self, reason: str) -> bool:
        """Say in one line why this process stops and must not be restarted; False if unheard."""
        return self._send(LAST_WORDS + reason.encode())

    def cut(self) -> bool:
        """True once the supervisor is gone."""
        if self.socket is None:
            return False
        try:
            return self.socket.recv(64) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.socket:
            self.socket.close()

    def _send(self, data: bytes) -> bool:
        if self.socket is None:
            return False
        with contextlib.suppress(OSError):  # a full buffer: the supervisor has beats to read
            self.socket.send(data)
            return True
        return False
