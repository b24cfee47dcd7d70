"""Controls a replay with the keys of a terminal."""

import contextlib
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
    """Reads the terminal one key at a time, if standard input is a terminal."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before: list[Any] | None = None

    @staticmethod
    def is_available() -> bool:
        """Whether there is a terminal to read keys from, and this job is in its foreground."""
        if sys.stdin is None or not sys.stdin.isatty():
            return False
        try:
            # A background job that reads from its terminal is stopped
            return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except OSError:  # not our controlling terminal: nothing stops us
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
        if self._before is None:
            return
        with contextlib.suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def fileno(self) -> int:
        """File descriptor to wait for."""
        return self._fd

    def read(self) -> list[Pause | Step | Quit]:
        """Actions for the keys pressed since the last call."""
        pressed = b""
        while select.select([self._fd], [], [], 0)[0]:
            data = os.read(self._fd, 64)
            if not data:
                break
            pressed += data
        keys = pressed.decode(errors="replace")
        return [ACTIONS[key] for key in keys if key in ACTIONS]
