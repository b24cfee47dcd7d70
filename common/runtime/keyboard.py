"""What the user presses while a replay runs, in the terminal or in the window."""

import os
import signal
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self

PAUSE: Final = signal.SIGUSR1
"""Tells a player to pause, and to go on."""
STEP: Final = signal.SIGUSR2
"""Tells a player to pause, and to go on by one picture."""
SIGNALS: Final = {" ": PAUSE, ".": STEP}
QUIT: Final = "q"
STEERING: Final = "space: pause and go on   .: one picture"
HELP: Final = f"{STEERING}   q: quit"


class Keyboard:
    """The terminal's keys, one at a time; none where standard input is no terminal."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before: list[Any] | None = None

    @staticmethod
    def possible() -> bool:
        """Whether there is a terminal to press keys on, that no other job has in front."""
        if sys.stdin is None or not sys.stdin.isatty():
            return False
        try:
            # A job in the background that asks for its terminal is stopped
            return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except OSError:  # not the terminal that we were started from: nobody stops us
            return True

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def fileno(self) -> int:
        """What to wait for."""
        return self._fd

    def read(self) -> str:
        """The keys pressed since the last call."""
        pressed = b""
        while self._waiting():
            data = os.read(self._fd, 64)
            if not data:
                break
            pressed += data
        return pressed.decode(errors="replace")

    def _waiting(self) -> bool:
        import select

        return bool(select.select([self._fd], [], [], 0)[0])
