"""Waking a loop that waits on sockets, from signal handlers and other threads."""

import contextlib
import os
import signal
import socket
import stat
import threading
from types import FrameType
from typing import Final, Self

STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask a process to stop; the last says that its terminal was closed."""


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
        for number in STOPPING if is_main else ():
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: it is to survive its terminal
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

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_closed_terminal()
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


def _leave_closed_terminal() -> None:
    """Read nothing from a closed terminal and write nothing to it: that would be an error."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, descriptor)
                os.close(nothing)
