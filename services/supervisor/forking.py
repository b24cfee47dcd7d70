"""Starts processes: each by itself, or at the start of a run forked from one that is loaded.

Linux gives a process whose parent has ended to the nearest ancestor that asks for such orphans
(``PR_SET_CHILD_SUBREAPER``, prctl(2)). So a forked process becomes a child of this one: it has a
number and an exit code here, and needs its fork server no more.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self

from affectline.common.file_access import current_mask
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.supervision import LINK_FD
from affectline.common.settings.variables import environment
from affectline.services.supervisor.fork_server import FORKED, SERVER

CHILD_MAIN: Final = "affectline.services.supervisor.child_main"
ROOM: Final = " " * 200
"""An argument of the server, in whose place the names of forked processes fit."""
PATIENCE_S: Final = 20.0
"""How long the server may take for a process: on a busy machine, imports take seconds."""
LEAN: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment variables of every process, unless the user sets them. Importing numpy starts threads
for products of large matrices, which no process needs, and which spin for 100 ms on a busy machine.
"""
SET_SUBREAPER: Final = 36
GET_SUBREAPER: Final = 37
"""``PR_SET_CHILD_SUBREAPER`` and its counterpart in ``linux/prctl.h``."""
LOG: Final = ServiceLogger("supervisor")
_adopting: Final = threading.Lock()


class StartedProcess(Protocol):
    """A process with its pipes: `ForkedProcess`, and `subprocess.Popen`."""

    pid: int
    stdin: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Its exit code (negative: the signal), None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Kill it, unless it has ended."""


def start_process(
    kind: str,
    name: str,
    link: socket.socket,
    stdout: IO[Any] | None,
    server: "ForkServer | None" = None,
) -> StartedProcess:
    """Start a process that reads its task from standard input.

    Args:
        kind: The service.
        name: The process, the last of its arguments.
        link: Its end of the link to its supervisor.
        stdout: Its standard output; None: ours.
        server: Forks it, if it can; None, or if it cannot: the process is started by itself.
    """
    forked = server.fork(kind, name, link, stdout) if server else None
    return forked or subprocess.Popen(
        # -P: never import a folder called affectline in the user's working directory
        [sys.executable, "-P", "-m", CHILD_MAIN, name],
        env=LEAN | environment() | {LINK_FD: str(link.fileno())},
        pass_fds=[link.fileno()],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the supervisor, which stops processes in order
    )


class ForkServer:
    """A process that has imported what others need, and forks them; close it after the start."""

    def __init__(self) -> None:
        self.several: frozenset[str] = frozenset()
        """Services of which several processes are started."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(PATIENCE_S)
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", CHILD_MAIN, ROOM, SERVER],
            env=LEAN | environment(),
            stdin=theirs.fileno(),
            start_new_session=True,
        )
        theirs.close()

    @classmethod
    def start_if_available(cls) -> Self | None:
        """Start one where the system can give its processes to this one; otherwise None."""
        return cls() if sys.platform == "linux" and hasattr(os, "pidfd_open") else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        pid: int = self._popen.pid
        return pid

    def fork(
        self, kind: str, name: str, link: socket.socket, stdout: IO[Any] | None
    ) -> "ForkedProcess | None":
        """Have a process forked; None if the server has died, or cannot fork this one.

        Args:
            kind: The service.
            name: The process, the last of its arguments.
            link: Its end of the link to its supervisor.
            stdout: Its standard output; None: ours.
        """
        if kind not in FORKED or self._popen.poll() is not None:
            return None
        task, ours = os.pipe()
        log, theirs = os.pipe()
        shown = 1 if stdout is None else stdout.fileno()
        request = {
            "kind": kind,
            "name": name,
            "several": kind in self.several,
            "environment": LEAN | environment(),
            "umask": current_mask(),
            "folder": str(Path.cwd()),
        }
        try:
            with adopting_orphans():
                content = json.dumps(request).encode()
                socket.send_fds(self._requests, [content], [task, shown, theirs, link.fileno()])
                answer = self._requests.recv(1000)
            return ForkedProcess(int(answer), os.fdopen(ours, "wb"), os.fdopen(log, "rb"))
        except (OSError, ValueError) as error:  # ValueError: it has given no number
            LOG.info("%s is started by itself, not forked: %s", name, error)
            self._popen.kill()  # it may not answer a later request with this one's process
            os.close(ours)
            os.close(log)
            return None
        finally:
            os.close(task)
            os.close(theirs)

    def close(self) -> None:
        """End the server, which has nothing to finish; the processes stay."""
        self._requests.close()
        self._popen.kill()
        self._popen.wait()


class ForkedProcess:
    """A process that a fork server has made: a child of this one, like `subprocess.Popen`.

    Args:
        pid: Its number.
        stdin: Its standard input.
        stderr: Its standard error.
    """

    def __init__(self, pid: int, stdin: IO[bytes], stderr: IO[bytes]) -> None:
        self.pid = pid
        self.stdin: IO[bytes] | None = stdin
        self.stderr: IO[bytes] | None = stderr
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code (negative: the signal), None while it runs."""
        if self._code is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # another part of this program has waited for it
                ended, status = self.pid, 0
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        code = self.poll()
        if code is None:
            ended = os.pidfd_open(self.pid)
            try:
                select.select([ended], [], [], timeout)
            finally:
                os.close(ended)
            code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(CHILD_MAIN, timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Make processes whose parent ends in this block children of this process.

    Raises:
        OSError: The system does not offer it.
    """
    with _adopting:  # of all threads, for this is a property of the process
        before = ctypes.c_int()
        _prctl(GET_SUBREAPER, ctypes.byref(before))
        _prctl(SET_SUBREAPER, ctypes.c_ulong(1))
        try:
            yield
        finally:
            _prctl(SET_SUBREAPER, ctypes.c_ulong(before.value))


def _prctl(option: int, argument: Any) -> None:
    zero = ctypes.c_ulong(0)
    if ctypes.CDLL(None, use_errno=True).prctl(option, argument, zero, zero, zero):
        raise OSError(ctypes.get_errno(), "prctl")
