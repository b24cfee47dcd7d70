"""Waking a loop that waits on sockets, from signal handlers and other threads."""

import contextlib
import signal
import socket
import threading
from types import FrameType
from typing import Self


class WakeupPipe:
    """Wakes the loop from signal handlers and other threads."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)
        self.stopping = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGTERM, signal.SIGINT) if is_main else ():
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self.receiver.close()
        self._sender.close()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self.wake()

    def wake(self) -> None:
        """Make the poll return."""
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: nothing to wake
            self._sender.send(b"\0")

    def drain(self) -> None:
        """Read and discard what has woken the loop."""
        with contextlib.suppress(BlockingIOError):
            while self.receiver.recv(4096):
                pass
