"""The interface of sensor drivers: open a device, read it until it is gone, close it.

A driver is a module in `affectline.services.biometrics.drivers`, or a class that another
distribution adds through the entry-point group ``affectline.drivers`` (docs/extending.md). It
runs in its own thread (`affectline.services.biometrics.driver_thread`), so it may block.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import JsonValue

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings

WAIT_S: Final = 0.1
"""How long `Driver.read` may wait for data: this limits the delay of a batch, and the time until a
stop of the process is noticed."""
LONGEST_PAUSE_S: Final = 8.0
"""The usual longest pause between attempts to open a device."""


class Event(NamedTuple):
    """A labelled event that a device or a program sends."""

    label: str
    fields: dict[str, JsonValue]
    """Other fields of the event."""


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
    """Samples a second, if they are evenly spaced."""
    offsets: tuple[int, ...] = ()
    """Nanoseconds from ``at``, never decreasing; empty if there is a ``rate``."""
    quality: float = 1.0
    """From 0 to 1."""
    reason: str = ""
    """Why the quality is not 1."""
    events: tuple[Event, ...] = ()
    """For the signal `EVENTS`: the event of each sample, which has no value."""


@dataclass(frozen=True)
class Clock:
    """The clock for drivers; tests pass their own."""

    now: Callable[[], int]
    """Nanoseconds since the Unix epoch; people and time servers set it."""
    monotonic: Callable[[], float]
    """Seconds; never set back."""
    wait: Callable[[float], bool]
    """Waits for this many seconds; returns True at once when the process has to stop."""


@dataclass(frozen=True)
class Timing:
    """The run's time line and pace, for drivers that play a recording."""

    session_start: int | None = None
    """Zero of the time line, in ns since the Unix epoch; None: when the recording is opened."""
    ends_at: int | None = None
    """When the run ends on that time line; None: with its sources."""
    speed: float | Literal["max"] = 1.0
    """Multiple of the recorded speed; ``max``: as fast as it is consumed."""
    follows_clock: bool = False
    """Samples are due by the clock, because something else in the run is live."""
    is_aligned: bool = False
    """Sources wait for each other, so messages must be cut in the same places at any pace."""


BUTTON: Final = "button press"
"""Signal name of a button on the device: each sample is published as a `Marker`."""


EVENTS: Final = "events"
"""Signal name of a device's events: each `Event` is published as a `Marker`."""


class DeviceGone(Exception):  # noqa: N818 - it names what happened
    """The device is unavailable for now, and will be tried again. The text is shown to the user."""


class Driver:
    """Reads one sensor.

    Args:
        settings: An instance of the driver's own `settings_model`.
        clock: The clock to use.
    """

    settings_model: ClassVar[type[BiometricsSettings]]
    """Model of the driver's settings; the default of its ``driver`` is the driver's name."""

    device: str = ""
    """Description of the open device, for display."""
    synthetic: bool = False
    """True if nobody is measured."""
    can_wait: bool = False
    """True if reading later loses nothing, as with a file."""
    only_events: bool = False
    """True if the open device sends events alone, so that silence is not a problem."""
    longest_pause_s: float = LONGEST_PAUSE_S
    """The pause between attempts to open the device doubles up to this."""
    ended: bool = False
    """True when no more data will ever come, as at the end of a file."""
    complete_until: int | None = None
    """Recordings: no later reading has a time before this one, in ns."""
    timing: Timing = Timing()
    """Recordings: set before `open`."""

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.counters: Counter[str] = Counter()
        """Published in health. ``invalid`` counts pieces of input that could not be read."""
        self.remarks: list[str] = []
        """What people should know about the input; each remark is logged once."""

    def open(self) -> None:
        """Open the device.

        Raises:
            DeviceGone: The device is not available now; it will be tried again.
            AffectlineError: The device cannot be opened with these settings; the process ends.
        """

    def read(self) -> list[Reading]:
        """Return what has arrived since the last call, in order of time.

        It waits at most about `WAIT_S`.

        Raises:
            DeviceGone: The device was lost. What arrived before has been returned.
        """
        raise NotImplementedError

    def hurry(self) -> None:
        """Recordings: play the rest as fast as it is consumed; callable from any thread."""

    def compare(self, films_ns: int) -> None:
        """Recordings: remark on a length that does not fit; callable from any thread.

        Args:
            films_ns: When the last film beside it has ended, in ns from the session's start.
        """

    def close(self) -> None:
        """Release the device; harmless if it is not open."""


def make_driver(settings: BiometricsSettings, clock: Clock) -> Driver:
    """Create the driver that the settings name, without opening it.

    Raises:
        AffectlineError: A package that it needs is not installed.
    """
    driver: Driver = settings.registry.load(settings.driver)(settings, clock)
    return driver


def missing_package(driver: str, error: ImportError, extra: str = "sensors") -> AffectlineError:
    """The error for a missing package of a driver, with the command that installs it."""
    return AffectlineError(
        f"--driver {driver}: {error}",
        f"install what it needs with pip install 'affectline[{extra}]'",
    )
