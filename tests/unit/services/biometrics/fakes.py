"""A clock that only tests move, and a driver that returns what it is given."""

import threading
from collections.abc import Sequence
from typing import Any

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import Clock, Driver, Reading

START = 1_795_445_587_000_000_000


class FakeTime:
    """Time goes on by waiting."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.set_back_s = 0.0
        self.clock = Clock(self.now, lambda: self.seconds, self.wait)

    def now(self) -> int:
        return START + round((self.seconds - self.set_back_s) * 1e9)

    def wait(self, seconds: float) -> bool:
        self.seconds += seconds
        return False


Step = list[Reading] | Exception | str


class Script(Driver):
    """Follows a script, a step a call: readings, an error, or nothing (it ends).

    Args:
        steps: ``"open"`` where opening shall succeed.
    """

    device = "scripted"

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(None, FakeTime().clock)
        self.steps = list(steps)
        self.closed = threading.Event()
        self.threads: set[threading.Thread] = set()

    def open(self) -> None:
        self.closed.clear()
        assert self._next() == "open"

    def read(self) -> list[Reading]:
        self.threads.add(threading.current_thread())
        step = self._next()
        self.ended = not self.steps
        assert isinstance(step, list)
        return step

    def close(self) -> None:
        self.closed.set()

    def _next(self) -> list[Reading] | str:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


class Markers(Script):
    """As `Script`, of a program that sends markers: it may be silent for long."""

    only_events = True


def beat(at: int, value: float = 800.0) -> Reading:
    return Reading("rr_interval", "ms", at, (value,), offsets=(0,))


def settings(driver: str, **values: object) -> Any:
    """Settings of a driver, in the driver's own model."""
    return BiometricsSettings.model_validate({"driver": driver, **values})


def play(driver: Driver, reads: int = 100_000) -> list[Reading]:
    """Open a driver and read it to its end, or so many times."""
    driver.open()
    found: list[Reading] = []
    for _ in range(reads):
        found += driver.read()
        if driver.ended:
            break
    driver.close()
    return found
