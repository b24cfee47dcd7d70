"""Which sensor to read, and how: the settings of a biometrics process."""

from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affectline.common.identifiers import Name

DriverName = Literal["ble", "lsl", "brainflow", "e4", "csv", "synthetic"]


class Signal(NamedTuple):
    """How a well-known signal goes over the wire."""

    unit: str
    """As in UCUM; but ``g`` is the acceleration of free fall."""
    low: float
    high: float
    """What a living person shows lies between these, in ``unit``."""
    others: dict[str, tuple[float, float]]
    """Units that are understood: factor and summand that make ``unit`` of them."""


SIGNALS: Final[dict[str, Signal]] = {
    # 25 and 250 a minute: below the slowest athlete asleep, above the fastest rate in exercise
    "heart_rate": Signal("/min", 25, 250, {"bpm": (1, 0), "1/min": (1, 0), "Hz": (60, 0)}),
    "rr_interval": Signal("ms", 240, 2400, {"s": (1000, 0), "us": (0.001, 0)}),
    # Boucsein, Electrodermal Activity (2012): 1 to 40 uS; 0 is a sensor that touches no skin
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
"""Other signals keep the name and unit that their user gives them."""


class Column(BaseModel):
    """What a column of a table, or a channel of a stream, holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: Name
    unit: Annotated[str, Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _unit_is_known(self) -> Self:
        known = SIGNALS.get(self.signal)
        if known and self.unit != known.unit and self.unit not in known.others:
            units = ", ".join((known.unit, *known.others))
            raise ValueError(
                f"{self.signal} cannot be in {self.unit!r}: its units are {units}; "
                "give another kind of signal a name of its own"
            )
        return self

    @property
    def wire_unit(self) -> str:
        """The unit that the values are sent in."""
        known = SIGNALS.get(self.signal)
        return known.unit if known else self.unit

    @property
    def scale(self) -> tuple[float, float]:
        """Factor and summand that make values in `wire_unit` of those in ``unit``."""
        known = SIGNALS.get(self.signal)
        return known.others.get(self.unit, (1.0, 0.0)) if known else (1.0, 0.0)


class BiometricsSettings(BaseModel):
    """One sensor of one person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: DriverName
    subject: Name = "person"
    """Whose signals they are: part of their topics."""
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """ble: the strap's name as it says it; lsl: the stream's name. None takes the first found."""
    address: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """ble: address of the strap (on macOS the UUID that the system gave it)."""
    stream_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """lsl: type of the stream, such as ``ECG``."""
    board: str | int = "SYNTHETIC_BOARD"
    """brainflow: name or number of the board, as in BrainFlow's ``BoardIds``."""
    parameters: dict[str, str | int] = Field(default_factory=dict)
    """brainflow: fields of ``BrainFlowInputParams``, such as ``serial_port``, ``mac_address``."""
    folder: Path | None = None
    """e4: the unpacked export of a session."""
    file: Path | None = None
    """csv: the table, with a header line."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """csv: column name to signal; lsl: channel label or number from 0; brainflow: row number of
    the board's data, ``1:8`` for row 8 of preset 1. The last two have defaults."""
    time_column: str = "time"
    """csv: the column with the time of each row; not looked at where there is a ``rate``."""
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = "s"
    """csv: seconds and so on since the Unix epoch or any other moment; or ISO 8601 dates."""
    rate: Annotated[float, Field(ge=0.001, le=100_000)] | None = None
    """csv: rows a second, where there is no column of times."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    speed: Annotated[float, Field(ge=0.001, le=10_000)] | Literal["max"] = 1.0
    """e4, csv, synthetic: 1 plays at the recorded pace; ``max`` as fast as it is consumed."""
    keep_times: bool = False
    """e4, csv: say the recorded times, instead of making the first sample's time now."""
    loop: bool = False
    """e4, csv: start again at the end."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """synthetic: the same seed makes the same signals."""
    stress: tuple[float, float] | None = None
    """synthetic: from and to, in seconds from the start: a time of stress."""
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """synthetic: seconds until it ends; None goes on."""

    @model_validator(mode="after")
    def _fit_the_driver(self) -> Self:
        if self.driver == "e4" and self.folder is None:
            raise ValueError("the driver e4 needs a folder: the unpacked export of a session")
        if self.driver == "csv" and not (self.file and self.columns):
            raise ValueError("the driver csv needs a file, and columns that say what it holds")
        if self.loop and self.keep_times:
            raise ValueError("loop and keep_times exclude each other: times would fall")
        if self.rate and self.keep_times:
            raise ValueError("keep_times needs a column of times, and rate says there is none")
        if self.stress and not 0 <= self.stress[0] < self.stress[1]:
            raise ValueError(f"stress is from and to in seconds, not {self.stress}")
        signals = [column.signal for column in self.columns.values()]
        if len(set(signals)) < len(signals):
            raise ValueError("two columns have the same signal")
        return self

    @property
    def service(self) -> str:
        """What the process is called on the bus."""
        return f"biometrics/{self.subject[:48]}-{self.driver}"
