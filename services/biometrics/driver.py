"""What all drivers share: they open a device, read from it until it is gone, and close it.

A driver lives in one thread of its own (`services.biometrics.driver_thread`), so it may wait.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from affectline.common.errors import AffectlineError

WAIT_S: Final = 0.1
"""How long `Driver.read` may wait for something to arrive: it bounds the delay of a batch, and
how long it takes to notice that the process shall stop."""


@dataclass(frozen=True)
class Reading:
    """Some samples of one signal, as in `Samples`, before they are checked."""

    signal: str
    unit: str
    at: int
    """Nanoseconds since the Unix epoch."""
    values: tuple[float, ...]
    """NaN where a sample is missing."""
    rate: float | None = None
    offsets: tuple[int, ...] = ()
    """Nanoseconds from ``at``, not falling; empty where there is a ``rate``."""
    quality: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class Clock:
    """What a driver may know of time."""

    now: Callable[[], int]
    """Nanoseconds since the Unix epoch; people and time servers set it."""
    monotonic: Callable[[], float]
    """Seconds; never set back."""
    wait: Callable[[float], bool]
    """Wait so many seconds; True at once when the process shall stop."""


BUTTON: Final = "button press"
"""What is no signal: a button on the device. Each press goes out as a `Marker`."""


class DeviceGone(Exception):  # noqa: N818 - it names what happened
    """The device is not there (any more); it may come back. In words for the user."""


class Driver:
    """One way to a sensor."""

    device: str = ""
    """What it is reading, in words; known once it is open."""
    synthetic: bool = False
    """Nobody was measured."""
    can_wait: bool = False
    """It measures nothing now, as a file does: nothing is lost when it is read later."""
    ended: bool = False
    """Nothing more will ever come: the end of a file."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        """``invalid``: pieces of input that could not be read. The driver's own beside it."""

    def open(self) -> None:
        """Open the device.

        Raises:
            DeviceGone: It is not there now; try again later.
            AffectlineError: It never will be, as things are.
        """

    def read(self) -> list[Reading]:
        """What has arrived since the last call, in order of time; waits at most `WAIT_S` or so.

        Raises:
            DeviceGone: It was there, and is no more. What it said before has been returned.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the device; harmless when it is not open."""


def missing_package(driver: str, error: ImportError) -> AffectlineError:
    """What to do when a driver's package is not installed."""
    return AffectlineError(
        f"--driver {driver}: {error}", "install the sensors with pip install 'affectline[sensors]'"
    )
