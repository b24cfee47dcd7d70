"""One child process of the pipeline: started, watched by its heartbeat, and stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

from affectline.common import logs
from affectline.common.clock import monotonic
from affectline.common.runtime.spec import ProcessSettings, ServiceSpec
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, FATAL, READY
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.settings.variables import environment
from affectline.services.supervisor.forking import ForkServer, start_process

SILENCE_S: Final = 3.0
"""A process without a heartbeat for this long (six beats) counts as hung; a busy machine may starve
a process for two seconds."""
OWN_ERROR: Final = "affectline: "
"""What an error of a command begins with."""
LINES_KEPT: Final = 20
"""How many of the last log lines of a process are shown when it dies."""
START_S: Final = 60.0
"""How long a process may take to become ready; importing TensorFlow takes ten seconds or more."""
RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 30.0
"""A process that dies more often than this is not restarted any more."""


@dataclass(frozen=True)
class ProcessSpec:
    """A process to start: its service and settings."""

    spec: ServiceSpec
    settings: ProcessSettings

    @property
    def kind(self) -> str:
        return self.spec.kind

    @property
    def name(self) -> str:
        """Its name on the bus, such as ``detector/sample``."""
        return self.settings.process_name


class ManagedProcess:
    """One process of the pipeline, started at once and watched.

    Args:
        process: The process to start.
        hub: Address of its hub.
        delivery: Delivery of the pipeline.
        stdout: Where its standard output goes; None: where ours goes.
        trace: Folder for its part of a trace; None: it records none.
        server: Forks it; None: it is started by itself.
    """

    def __init__(
        self,
        process: ProcessSpec,
        hub: HubSettings,
        delivery: Delivery,
        stdout: IO[Any] | None,
        trace: Path | None = None,
        server: ForkServer | None = None,
    ) -> None:
        self.process = process
        self._hub, self._delivery, self._stdout = hub, delivery, stdout
        self._trace = trace
        self._restarts: deque[float] = deque()
        self.restarts = 0
        """How often it has been restarted."""
        self.exit_reason = ""
        """The reason that it reported for stopping for good."""
        self.last_lines: deque[str] = deque(maxlen=LINES_KEPT)
        """The last lines that it logged or printed to standard error."""
        self.start(server)

    def start(self, server: ForkServer | None = None) -> None:
        """Start the process (again).

        Args:
            server: Forks it; None: it is started by itself.
        """
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        task = {
            "kind": self.process.kind,
            "hub": self._hub.model_dump(),
            "delivery": self._delivery,
            "settings": self.process.settings.model_dump(mode="json"),
            "trace": None if self._trace is None else str(self._trace),
        }
        self._popen = start_process(
            self.process.kind, self.process.name, theirs, self._stdout, server
        )
        theirs.close()
        with contextlib.suppress(BrokenPipeError):  # already dead: its link will show it
            assert self._popen.stdin  # noqa: S101 - for the type checker
            self._popen.stdin.write(json.dumps(task).encode())
            self._popen.stdin.close()
        assert self._popen.stderr  # noqa: S101 - for the type checker
        self._stderr = self._popen.stderr.fileno()
        os.set_blocking(self._stderr, False)
        self._log_ended, self._unfinished = False, b""
        self.ready = self.is_killed = False
        self._last_beat = monotonic()

    @property
    def waitables(self) -> list[socket.socket | int]:
        """What to wait for before calling `poll`."""
        log = [] if self._log_ended else [self._stderr]
        return [self.socket, *log]

    @property
    def pid(self) -> int:
        return self._popen.pid

    def poll(self) -> int | None:
        """Read its link and log; return the exit code (negative: the signal) once it has died."""
        self._relay_log()
        while True:
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                return None
            except OSError:
                data = b""
            if not data:
                return self._reap()
            beats, _, reason = data.partition(FATAL)
            self._last_beat = monotonic()
            self.ready = self.ready or READY in beats
            self.exit_reason += reason.decode(errors="replace")

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; return the exit code, or None if it is still alive."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout_s)
        return self.poll()

    def _reap(self) -> int:
        try:
            # Its link has ended, so it has died or can no longer be supervised
            code = self._popen.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        if self.exit_reason:  # a busy machine may kill it before it exits with its own code
            code = EXIT_GIVEN_UP
        self.socket.close()
        self._relay_log()
        if self._unfinished:
            self._relay_lines(b"\n")
        assert self._popen.stderr  # noqa: S101 - for the type checker
        self._popen.stderr.close()
        return code

    def _relay_log(self) -> None:
        """Relay its log to ours."""
        while not self._log_ended:
            try:
                data = os.read(self._stderr, 1 << 16)
            except BlockingIOError:
                return
            self._log_ended = not data
            self._relay_lines(data)

    def _relay_lines(self, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            text = logs.relay(line.decode(errors="replace"), self.process.name)
            self.last_lines += text.splitlines()

    @property
    def hangs(self) -> bool:
        """Whether it is alive but sends no heartbeat."""
        return self.silent_s > (SILENCE_S if self.ready else START_S)

    @property
    def silent_s(self) -> float:
        """Seconds since its last heartbeat."""
        return monotonic() - self._last_beat

    def record_restart(self) -> bool:
        """Count a restart; False if there were too many."""
        now = monotonic()
        self._restarts.append(now)
        self.restarts += 1
        while now - self._restarts[0] > RESTARTS_WITHIN_S:
            self._restarts.popleft()
        return len(self._restarts) <= RESTARTS

    def stop(self) -> None:
        """Ask it to stop."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it at once."""
        self.is_killed = True
        if self._popen.poll() is None:
            self._popen.kill()


class BackgroundCommand:
    """One of our own commands, run in the background.

    Its standard output is discarded. What it writes to standard error is logged if it fails.

    Args:
        arguments: As after ``affectline`` on the command line.
    """

    def __init__(self, *arguments: str) -> None:
        # -P: never import a folder called affectline in the user's working directory
        command = [sys.executable, "-P", "-m", "affectline", *arguments]
        self._name = arguments[0]
        self._errors: IO[bytes] | None = tempfile.TemporaryFile()  # noqa: SIM115 - until it ends
        self._popen = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=self._errors, env=environment()
        )
        self._problem = ""
        self._reading = Lock()

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def problem(self) -> str:
        """Why it has failed, in one line; empty while it runs, and if it has succeeded."""
        with self._reading:
            if self._errors is not None and not self.is_running:
                with self._errors:
                    self._errors.seek(0)
                    self._explain(self._errors.read().decode(errors="replace").strip())
                self._errors = None
        return self._problem

    def _explain(self, text: str) -> None:
        code = self._popen.returncode
        if not code:
            return
        lines = text.splitlines() or [f"it ended with exit code {code}"]
        own = [line for line in lines if line.startswith(OWN_ERROR)]
        self._problem = (own or lines)[-1].removeprefix(OWN_ERROR)
        logs.ServiceLogger(self._name).warning("failed: %s", text or self._problem)

    def stop(self, patience_s: float) -> None:
        """Terminate it if it still runs, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: The command did not end in time.
        """
        with self._reading:
            if self._errors is not None:
                self._errors.close()
                self._errors = None
        if self.is_running:
            self._popen.terminate()
        self._popen.wait(patience_s)
