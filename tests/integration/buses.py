"""A hub with processes around it, and drivers that are read without one."""

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from affectline.common.clock import monotonic, now_ns
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.services.biometrics.driver import Clock, Driver, Reading
from tests.pipelines import AFFECTLINE, free_port


class Bus:
    """A hub with processes around it, and an outsider's ear."""

    def __init__(self, folder: Path, delivery: str, prefixes: tuple[str, ...]) -> None:
        self.hub = HubSettings(port=free_port())
        self._folder, self._delivery = folder, delivery
        self.processes: list[subprocess.Popen[str]] = []
        self.listener = OutletSubscriber(self.hub, prefixes)
        self.heard: list[Message] = []
        self.start("hub")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a process of the pipeline; what it complains of goes to a file."""
        command = [*AFFECTLINE, *arguments, "--hub", f"127.0.0.1:{self.hub.port}"]
        with (self._folder / f"{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--delivery", self._delivery], stderr=log, text=True
            )
        self.processes.append(process)
        return process

    def wait_for(self, reached: Callable[[list[Message]], bool], timeout_s: float = 60) -> None:
        """Listen until enough was heard."""
        deadline = monotonic() + timeout_s
        while not reached(self.heard):
            assert monotonic() < deadline, f"in vain; {self.log()}"
            self.listener.wait(timeout_s=0.2)
            self.heard += [packet.message for packet in self.listener.receive()]

    def samples(self, name: str) -> list[Samples]:
        return [m for m in self.heard if isinstance(m, Samples) and m.signal == name]

    def health(self, service: str) -> list[Health]:
        return [m for m in self.heard if isinstance(m, Health) and m.service == service]

    def log(self) -> str:
        return "\n".join(file.read_text()[-2000:] for file in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        self.listener.close()
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.communicate(timeout=20)


def drive(driver: Driver, seconds: float, enough: Callable[[list[Reading]], bool]) -> list[Reading]:
    """Read an open driver until it has said enough."""
    found: list[Reading] = []
    deadline = monotonic() + seconds
    while not enough(found):
        assert monotonic() < deadline, f"only {found}"
        found += driver.read()
    return found


def real_clock() -> Clock:
    return Clock(now_ns, monotonic, threading.Event().wait)
