"""The interface of sensor drivers: open a device, read it until it is gone, close it.

A driver is a module in `affectline.services.biometrics.drivers`, or a class that another
distribution adds through the entry-point group ``affectline.drivers`` (docs/extending.md). It
runs in one thread of its own (`affectline.services.biometrics.driver_thread`), so it may block.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import JsonValue

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings

WAIT_S: Final = 0.1
"""How long `Driver.read` may wait for data: it bounds the delay of a batch, and how long it takes
to notice that the process is to stop."""


class Event(NamedTuple):
    """Something that a device, or a program, says at a moment."""

    label: str
    fields: dict[str, JsonValue]
    """What else it says."""


@dataclass(frozen=True)
class Reading:
    """Some samples of one signal, as in `Samples`, before they are validated."""

    signal: str
    unit: str
    at: int
    """Time of the first sample, in nanoseconds since the Unix epoch."""
    values: tuple[float, ...]
    """NaN where a sample is missing."""
    rate: float | None = None
    """Samples a second, where they are evenly spaced."""
    offsets: tuple[int, ...] = ()
    """Nanoseconds from ``at``, not falling; empty where there is a ``rate``."""
    quality: float = 1.0
    """From 0 to 1."""
    reason: str = ""
    """Why the quality is not 1."""
    events: tuple[Event, ...] = ()
    """Of `EVENTS`: what each sample, which has no value, says."""


@dataclass(frozen=True)
class Clock:
    """The time, as drivers get it; tests pass one of their own."""

    now: Callable[[], int]
    """Nanoseconds since the Unix epoch; people and time servers set it."""
    monotonic: Callable[[], float]
    """Seconds; never set back."""
    wait: Callable[[float], bool]
    """Wait so many seconds; returns True at once when the process is to stop."""


@dataclass(frozen=True)
class Timing:
    """The run's time line and pace, for drivers that play a recording."""

    session_start: int | None = None
    """Zero of the time line, in ns since the Unix epoch; None: when the recording is opened."""
    ends_at: int | None = None
    """When the run ends on that line; None: with its sources."""
    speed: float | Literal["max"] = 1.0
    """Multiple of the recorded speed; ``max``: as fast as it is consumed."""
    follows_clock: bool = False
    """Something else in the run is live: a sample is due when the clock has reached its time."""
    is_aligned: bool = False
    """Others are waited for and wait, so messages must be cut in the same places at every pace."""


BUTTON: Final = "button press"
"""Signal name of a button on the device: each sample is published as a `Marker`."""


EVENTS: Final = "events"
"""Signal name of what a device says: each `Event` is published as a `Marker`."""


class DeviceGone(Exception):  # noqa: N818 - it names what happened
    """The device is unavailable for now, and is tried again. The text is shown to the user."""


class Driver:
    """Reads one sensor.

    Args:
        settings: An instance of the driver's own `settings_model`.
        clock: The time.
    """

    settings_model: ClassVar[type[BiometricsSettings]]
    """Model of the driver's settings; the default of its ``driver`` is the driver's name."""

    device: str = ""
    """Description of the open device, for people."""
    synthetic: bool = False
    """True where nobody was measured."""
    can_wait: bool = False
    """True where nothing is lost when it is read later, as with a file."""
    ended: bool = False
    """True when no more data will ever come, as at the end of a file."""
    complete_until: int | None = None
    """Recordings: no later reading is about an earlier moment than this, in ns."""
    timing: Timing = Timing()
    """Recordings: set before `open`."""

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.counters: Counter[str] = Counter()
        """Published in health. ``invalid`` counts pieces of input that could not be read."""
        self.remarks: list[str] = []
        """What people should know of the input: each is said once."""

    def open(self) -> None:
        """Open the device.

        Raises:
            DeviceGone: It is not there now; it is started again later.
            AffectlineError: It cannot be opened with these settings; the process ends.
        """

    def read(self) -> list[Reading]:
        """Return what has arrived since the last call, in order of time.

        Waits about `WAIT_S` at most.

        Raises:
            DeviceGone: The device was lost. What arrived before has been returned.
        """
        raise NotImplementedError

    def hurry(self) -> None:
        """Recordings: play the rest as fast as it is consumed; may be called from any thread."""

    def close(self) -> None:
        """Release the device; harmless when it is not open."""


def make_driver(settings: BiometricsSettings, clock: Clock) -> Driver:
    """Make the driver that the settings name, without opening it.

    Raises:
        AffectlineError: A package that it needs is not installed.
    """
    driver: Driver = settings.registry.load(settings.driver)(settings, clock)
    return driver


def missing_package(driver: str, error: ImportError, extra: str = "sensors") -> AffectlineError:
    """The error about a package that a driver needs, and how to install it."""
    return AffectlineError(
        f"--driver {driver}: {error}",
        f"install what it needs with pip install 'affectline[{extra}]'",
    )
