"""The keys that steer a replay, and the terminal that they are pressed in."""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self

from affectline.common.wire.control import Pause, Quit, Step

ACTIONS: Final[dict[str, Pause | Step | Quit]] = {" ": Pause(), ".": Step(), "q": Quit()}
STEERING: Final = "space: pause or resume   .: one frame"
HELP: Final = f"{STEERING}   q: quit"


class Keyboard:
    """The terminal, one key at a time; none where standard input is no terminal."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before: list[Any] | None = None

    @staticmethod
    def is_available() -> bool:
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

    def read(self) -> list[Pause | Step | Quit]:
        """What was asked for by the keys pressed since the last call."""
        pressed = b""
        while select.select([self._fd], [], [], 0)[0]:
            data = os.read(self._fd, 64)
            if not data:
                break
            pressed += data
        keys = pressed.decode(errors="replace")
        return [ACTIONS[key] for key in keys if key in ACTIONS]
