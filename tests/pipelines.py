"""Real pipelines for tests: started as a user would, listened to as a tool would."""

import contextlib
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import psutil

from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Emotion, Packet

AFFECTLINE = [sys.executable, "-m", "affectline"]
PORTS = 7


def _candidates() -> Iterator[int]:
    """Ports to try, each once: tests that run side by side have ranges of their own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    begin, count = 15000 + worker * 4000, 4000 // PORTS
    first = secrets.randbelow(count)  # several runs of tests side by side do not meet
    while True:
        for number in range(count):
            yield begin + (first + number) % count * PORTS


_ports: Final = _candidates()


def free_port() -> int:
    """First of seven ports in a row that nobody uses, below the range of outgoing connections.

    Nobody is given the same ones soon after: a hub in a network of its own does not show here.
    """
    for first in itertools.islice(_ports, 4000 // PORTS):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + PORTS):
                    probe = stack.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no seven free ports in a row")


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    options = {"capture_output": True, "text": True, "timeout": 100} | options
    return subprocess.run([*AFFECTLINE, *arguments], check=False, **options)


def up(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a whole pipeline to its end, on ports of its own."""
    return run("up", "--port", str(free_port()), *arguments, **options)


@contextlib.contextmanager
def listening(hub: HubSettings) -> Iterator[OutletSubscriber]:
    """An outsider's ear."""
    listener = OutletSubscriber(hub)
    try:
        yield listener
    finally:
        listener.close()


@contextlib.contextmanager
def process(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A command of ours in the background."""
    with subprocess.Popen([*AFFECTLINE, *arguments], text=True, **options) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


class Pipeline:
    """``affectline up`` in the background.

    Args:
        out: The session folder.
        arguments: More arguments for ``up``.
        prefixes: Beginnings of the topics to hear. An outsider that is slow loses messages, so on
            a busy machine whoever has to hear every answer asks for no pictures.
        command: What runs the pipeline, in words of the command line: ``up``, or ``replay FILE``.
        environment: Variables that its processes have besides ours.
    """

    def __init__(
        self,
        out: Path,
        *arguments: str,
        prefixes: Iterable[str] = ("",),
        command: Iterable[str] = ("up",),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.out = out
        self.hub = HubSettings(port=free_port())
        options = ["--json", "--out", str(out), "--port", str(self.hub.port)]
        self._log = (out.parent / f"{out.name}.log").open("w+")
        self.process = subprocess.Popen(
            [*AFFECTLINE, *command, *options, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.listener = OutletSubscriber(self.hub, prefixes)
        self.heard: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.listener.close()
        self._log.close()

    def messages(self, timeout_s: float) -> Iterator[Packet]:
        """Yield what goes over the bus for so long."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            self.listener.wait(timeout_s=min(left, 0.1))
            yield from self.listener.receive()

    def wait_for(self, wanted: Callable[[Message], bool], timeout_s: float = 20) -> Message:
        """Wait until a message satisfies a condition."""
        for packet in self.messages(timeout_s):
            if wanted(packet.message):
                return packet.message
            if self.process.poll() is not None:
                break
        raise AssertionError(f"waited {timeout_s} s in vain; {self.log()}")

    def wait_for_frame(self, seq: int, timeout_s: float = 20) -> Emotion:
        """Wait for the answer to a frame, or a later one."""
        found = self.wait_for(lambda m: isinstance(m, Emotion) and m.seq >= seq, timeout_s)
        assert isinstance(found, Emotion)
        return found

    def pids(self) -> dict[str, int]:
        """The processes of the pipeline by kind."""
        found: dict[str, int] = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error, IndexError):
                found[child.cmdline()[-1].split("/")[0]] = child.pid
        return found

    def kill(self, kind: str, number: int = signal.SIGKILL) -> int:
        """Send one of the processes a signal; return its pid."""
        pid = self.pids()[kind]
        os.kill(pid, number)
        return pid

    def finish(self, timeout_s: float = 60) -> dict[str, Any]:
        """Wait for the end; return the summary."""
        out, _ = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, self.log()
        summary: dict[str, Any] = json.loads(out)
        return summary

    def interrupt(self) -> int:
        """Press Ctrl-C, and wait for the end; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def log(self) -> str:
        """What was written to standard error."""
        self._log.flush()
        return Path(self._log.name).read_text()
