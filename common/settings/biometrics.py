"""Settings of biometrics processes, and the known signals.

Each driver extends `BiometricsSettings` in its own file, see `affectline.common.registry`.
"""

from datetime import UTC, tzinfo
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from affectline.common.identifiers import Name, sensor_service
from affectline.common.registry import FamilySettings, Registry


class Signal(NamedTuple):
    """How a known signal is published."""

    unit: str
    """A UCUM unit, except ``g``, which is the acceleration of free fall."""
    low: float
    high: float
    """Values outside ``low`` to ``high``, in ``unit``, are not plausible in a living person."""
    others: dict[str, tuple[float, float]]
    """Accepted units, each with the factor and offset that convert it to ``unit``."""


SIGNALS: Final[dict[str, Signal]] = {
    # 25 and 250 per minute: below the slowest athlete asleep, above the fastest rate in exercise
    "heart_rate": Signal("/min", 25, 250, {"bpm": (1, 0), "1/min": (1, 0), "Hz": (60, 0)}),
    "rr_interval": Signal("ms", 240, 2400, {"s": (1000, 0), "us": (0.001, 0)}),
    # Boucsein, Electrodermal Activity (2012): 1 to 40 uS; 0: the sensor does not touch skin
    "skin_conductance": Signal(
        "uS", 0.01, 100,
        {"µS": (1, 0), "μS": (1, 0), "nS": (0.001, 0), "mS": (1000, 0), "S": (1e6, 0)},
    ),
    "ppg": Signal("1", float("-inf"), float("inf"), {}),
    "ecg": Signal("mV", -50, 50, {"uV": (0.001, 0), "µV": (0.001, 0), "V": (1000, 0)}),
    "temperature": Signal(
        "Cel", 10, 45, {"°C": (1, 0), "C": (1, 0), "K": (1, -273.15), "[degF]": (5 / 9, -160 / 9)}
    ),
} | {
    f"acceleration_{axis}": Signal("g", -16, 16, {"m/s2": (1 / 9.80665, 0), "mg": (0.001, 0)})
    for axis in "xyz"
}  # fmt: skip
"""The known signals. Others are published with the name and unit given by the user."""


class Column(BaseModel):
    """The signal in a column of a table or a channel of a stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: Name
    unit: Annotated[str, Field(min_length=1, max_length=40)]
    """Its unit; by default the signal's own, if it is a known one."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_unit(cls, given: object) -> object:
        """Read ``heart_rate`` and ``heart_rate:bpm``, and add the unit of a known signal."""
        if isinstance(given, str):
            signal, _, unit = (part.strip() for part in given.partition(":"))
            given = {"signal": signal, "unit": unit or None}
        if not isinstance(given, dict) or given.get("unit") is not None:
            return given
        named = given.get("signal")
        if not isinstance(named, str):
            return given
        if named not in SIGNALS:
            raise ValueError(
                f"{named} has no unit of its own: add it, as in {named}:mV (those that have one: "
                f"{', '.join(SIGNALS)})"
            )
        return {**given, "unit": SIGNALS[named].unit}

    @model_validator(mode="after")
    def _unit_is_known(self) -> Self:
        known = SIGNALS.get(self.signal)
        if known and self.unit != known.unit and self.unit not in known.others:
            units = ", ".join((known.unit, *known.others))
            raise ValueError(
                f"{self.signal} cannot be in {self.unit!r}: its units are {units}; "
                "use a different name for another kind of signal"
            )
        return self

    @property
    def wire_unit(self) -> str:
        """The unit that the values are published in."""
        known = SIGNALS.get(self.signal)
        return known.unit if known else self.unit

    @property
    def scale(self) -> tuple[float, float]:
        """Factor and offset that convert values in ``unit`` to `wire_unit`."""
        known = SIGNALS.get(self.signal)
        return known.others.get(self.unit, (1.0, 0.0)) if known else (1.0, 0.0)


def read_columns(value: object) -> object:
    """Parse columns from texts ``COLUMN=SIGNAL:UNIT``; the unit may be omitted for known signals.

    Anything but a list or tuple of texts is returned unchanged, for the model to validate.

    Raises:
        ValueError: A text has another form.
    """
    if not isinstance(value, list | tuple):
        return value
    columns: dict[str, dict[str, str]] = {}
    for text in map(str, value):
        name, equals, measured = text.rpartition("=")
        signal, _, unit = measured.partition(":")
        unit = unit or (SIGNALS[signal].unit if signal in SIGNALS else "")
        if not (equals and name and signal and unit):
            raise ValueError(f"{text}: not COLUMN=SIGNAL:UNIT, as in hr=heart_rate:/min")
        columns[name] = {"signal": signal, "unit": unit}
    return columns


def _check_signals_differ(columns: dict[str, Column]) -> dict[str, Column]:
    signals = [column.signal for column in columns.values()]
    if len(set(signals)) < len(signals):
        raise ValueError("two columns have the same signal")
    return columns


Columns = Annotated[
    dict[str, Column],
    BeforeValidator(read_columns),
    AfterValidator(_check_signals_differ),
    Field(examples=["hr=heart_rate:/min"]),
]


def find_time_zone(name: str) -> tzinfo | None:
    """Find a time zone by its name; None: this computer's, named ``local``.

    Raises:
        ValueError: There is no time zone of that name.
    """
    if name == "local":
        return None
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # most processes do not need it

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(
            f"{name}: not a known time zone, such as Europe/Berlin, UTC or local"
        ) from error


def _check_time_zone(name: str) -> str:
    find_time_zone(name)
    return name


TimeZone = Annotated[str, AfterValidator(_check_time_zone), Field(max_length=100)]
"""Name in the IANA time zone database, ``UTC``, or ``local`` for this computer's."""
DEFAULT_TIME_ZONE: Final = "UTC"
"""Not this computer's, so that a table means the same everywhere."""


class BiometricsSettings(FamilySettings):
    """One sensor of one subject: settings shared by all drivers.

    Validating with this model returns the model of the driver named by the settings.
    """

    registry: ClassVar[Registry] = Registry(
        "driver", "affectline.services.biometrics.drivers", "affectline.drivers"
    )

    driver: str
    """The driver that reads the sensor."""
    subject: Name = "person"
    """Subject ID: part of the topics that the signals are published on."""

    @property
    def service(self) -> str:
        """The service name of the process that reads this sensor."""
        return sensor_service(self.subject, self.driver)

    @property
    def is_recording(self) -> bool:
        """Whether its times are recorded, not those of the clock."""
        return False

    @property
    def is_endless(self) -> bool:
        """Whether it never ends by itself."""
        return True

    def with_time_zone(self, name: str) -> Self:
        """A copy with the run's time zone, if the driver uses one and it is not set."""
        is_open = vars(self).get("time_zone", name) is None
        return self.model_copy(update={"time_zone": name}) if is_open else self


Speed = Annotated[float, Field(ge=0.001, le=10_000)] | Literal["max"]


class PlaybackSettings(BiometricsSettings):
    """Settings shared by all drivers that replay a recording."""

    speed: Speed | None = None
    """1 plays at the recorded pace, 4 four times as fast, ``max`` as fast as possible; by default
    at the pace and rate of the run, or 1 without a run. The published times stay the same."""
    keep_times: bool = False
    """Publish the recorded times, which are dates; by default the recording begins with the
    session."""
    start: AwareDatetime | None = None
    """When the recording begins, as a date with an offset from UTC
    (``2026-11-28T10:15:00+01:00``); by default with the session."""
    offset: Annotated[float, Field(ge=-604_800, le=604_800)] = 0.0
    """Seconds by which the recording begins later than that; negative: earlier."""
    loop: bool = False
    """Restart at the end."""

    @property
    def is_recording(self) -> bool:
        return True

    @property
    def is_endless(self) -> bool:
        return self.loop

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.loop and self.keep_times:
            raise ValueError("loop and keep_times exclude each other: times would go backwards")
        if self.start and self.keep_times:
            raise ValueError("start and keep_times exclude each other: both define the beginning")
        return self
