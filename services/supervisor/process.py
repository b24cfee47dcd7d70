"""A child process and the thread that ties it to us."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import IO, Any, Final

from affectline.common.clock import monotonic
from affectline.common.runtime.supervision import ALIVE, LAST_WORDS, LINK_FD, READY
from affectline.common.settings.pipeline import Delivery, HubSettings

CHILD_MAIN: Final = "affectline.services.supervisor.child_main"
SILENCE_S: Final = 2.0
"""A process that has not beaten for so long (four beats) hangs."""
START_S: Final = 60.0
"""How long a process may take to get ready; importing TensorFlow takes ten seconds and more."""
RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 30.0
"""A process that dies more often than this is not worth another try."""


@dataclass
class ProcessSpec:
    """What a child shall be."""

    name: str
    """As on the bus: ``detector/sample``."""
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)


class ManagedProcess:
    """One process of the pipeline, started and watched."""

    def __init__(
        self, task: ProcessSpec, hub: HubSettings, delivery: Delivery, stdout: IO[Any] | None
    ) -> None:
        self.task = task
        self._hub, self._delivery, self._stdout = hub, delivery, stdout
        self.restarts: deque[float] = deque()
        self.restarted = 0
        self.last_words = ""
        self.pressed = ""
        """Keys in its window that are for us; take them out."""
        self.start()

    def start(self) -> None:
        """Start the process (again)."""
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        task = {
            "kind": self.task.kind,
            "hub": self._hub.model_dump(),
            "delivery": self._delivery,
            "arguments": self.task.arguments,
        }
        self._process = subprocess.Popen(
            # -P: a folder called services where the user happens to be is not ours
            [
                sys.executable,
                "-P",
                "-m",
                CHILD_MAIN,
                self.task.name,
            ],
            env=os.environ | {LINK_FD: str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.PIPE,
            stdout=self._stdout,
            start_new_session=True,  # Ctrl-C is for the launcher, which stops them in order
        )
        theirs.close()
        with contextlib.suppress(BrokenPipeError):  # died already: its link will say so
            assert self._process.stdin  # noqa: S101 - for the type checker
            self._process.stdin.write(json.dumps(task).encode())
            self._process.stdin.close()
        self.ready = False
        self._heard = monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    def listen(self) -> int | None:
        """Hear what it says; the exit code (negative: the signal) once it has died."""
        while True:
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                return None
            except OSError:
                data = b""
            if not data:
                return self._bury()
            beats, _, words = data.partition(LAST_WORDS)
            self._heard = monotonic()
            self.ready = self.ready or READY in beats
            self.pressed += beats.translate(None, ALIVE + READY).decode(errors="replace")
            self.last_words += words.decode(errors="replace")

    def wait(self, patience_s: float) -> int | None:
        """Wait for its end; the exit code, None where it lives on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        return self.listen()

    def _bury(self) -> int:
        try:
            # The end of its link is the end of its life, or it is worth nothing without
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.socket.close()
        return code

    @property
    def silent(self) -> bool:
        """It lives, but does not beat."""
        return monotonic() - self._heard > (SILENCE_S if self.ready else START_S)

    def may_restart(self) -> bool:
        """Note a restart; False when there were too many."""
        now = monotonic()
        self.restarts.append(now)
        self.restarted += 1
        while now - self.restarts[0] > RESTARTS_WITHIN_S:
            self.restarts.popleft()
        return len(self.restarts) <= RESTARTS

    def stop(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Make it stop."""
        if self._process.poll() is None:
            self._process.kill()


class BackgroundCommand:
    """One of our own commands, run in the background. What it prints is discarded.

    Args:
        arguments: As after ``affectline`` on the command line.
    """

    def __init__(self, *arguments: str) -> None:
        # -P: a folder called affectline where the user happens to be is not ours
        command = [sys.executable, "-P", "-m", "affectline", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, patience_s: float) -> None:
        """Terminate it where it still runs, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: It did not end in time.
        """
        if self.is_running:
            self._process.terminate()
        self._process.wait(patience_s)
