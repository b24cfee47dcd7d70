"""Boards that BrainFlow supports: EEG and ECG amplifiers, Muse, EmotiBit and many others."""

import time
import warnings
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings, Column, Columns
from affectline.services.biometrics.driver import (
    WAIT_S,
    Clock,
    DeviceGone,
    Driver,
    Reading,
    missing_package,
)
from affectline.services.biometrics.file_playback import LATEST_PLAYED, Values
from affectline.services.biometrics.validation import NS

SILENT_S: Final = 5.0
"""A board that sends nothing for this long is opened again: nothing else reveals a lost dongle."""
BUFFER_SAMPLES: Final = 450_000
"""How many samples BrainFlow buffers: its own default, half an hour at 250 Hz."""
GAIN: Final = 0.02
"""Share of the difference from the board's own time stamps that each batch corrects."""
JUMP_NS: Final = NS
"""The regular clock restarts if it is off by more: samples were lost, or a clock was set."""
DEFAULT_ROWS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "ecg_channels": (("ecg", "uV"),),
    "ppg_channels": (("ppg", "1"),),
    "eda_channels": (("skin_conductance", "uS"),),
    "temperature_channels": (("temperature", "Cel"),),
    "accel_channels": tuple((f"acceleration_{axis}", "g") for axis in "xyz"),
}
"""Rows that are read by default, by the boards' descriptions: the first of each kind, in the units
of BrainFlow's data format (https://brainflow.readthedocs.io, Data Format)."""


@dataclass(frozen=True)
class BoardRow:
    """A row of the board's data: its preset, its number, and what it measures."""

    preset: int
    number: int
    column: Column


def read_parameters(value: object) -> object:
    """Parameters from texts ``NAME=VALUE``.

    Anything but a list or tuple of texts is returned unchanged, for the model to validate.

    Raises:
        ValueError: A text has another form.
    """
    if not isinstance(value, list | tuple):
        return value
    pairs = [str(text).partition("=") for text in value]
    for text, (name, equals, _) in zip(value, pairs, strict=True):
        if not (name and equals):
            raise ValueError(f"{text}: not NAME=VALUE, as in serial_port=/dev/ttyUSB0")
    return {name: setting for name, _, setting in pairs}


class BrainFlowSettings(BiometricsSettings):
    """One board, and how to connect to it."""

    driver: Literal["brainflow"] = "brainflow"
    board: str | int = "SYNTHETIC_BOARD"
    """Name or number of the board, as in BrainFlow's ``BoardIds``."""
    parameters: Annotated[dict[str, str | int], BeforeValidator(read_parameters)] = Field(
        default_factory=dict, examples=["serial_port=/dev/ttyUSB0"]
    )
    """Fields of ``BrainFlowInputParams``, such as ``serial_port`` or ``mac_address``."""
    columns: Columns = Field(default_factory=dict, examples=["1=ecg:uV"])
    """Signal and unit by row number, where ``1:8`` is row 8 of preset 1; by default the first row
    of each known kind."""


class BrainFlowDriver(Driver):
    """A board that BrainFlow supports.

    Args:
        settings: Which board, and how to connect to it.
        clock: The clock to use.
    """

    settings_model = BrainFlowSettings
    _settings: BrainFlowSettings

    def __init__(self, settings: BrainFlowSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        try:
            from brainflow import board_shim
        except ImportError as error:
            raise missing_package("brainflow", error) from error
        self._api: Any = board_shim
        with warnings.catch_warnings():
            # It finds its library through pkg_resources in Python 3.11
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
            board_shim.BoardShim.disable_board_logger()
        self._number = self._find_board(settings.board)
        self._parameters = self._make_parameters()
        self._measuring_board = self._find_measuring_board()
        self._presets = self._describe_presets()
        self._rows = choose_rows(self._presets, settings.columns)
        self.synthetic = self._measuring_board == int(board_shim.BoardIds.SYNTHETIC_BOARD)
        self._board: Any = None

    def open(self) -> None:
        self._board = self._api.BoardShim(self._number, self._parameters)
        try:
            self._board.prepare_session()
            self._board.start_stream(BUFFER_SAMPLES)
        except self._api.BrainFlowError as error:
            raise DeviceGone(f"BrainFlow: board {self._name}: {error}") from error
        self.device = f"BrainFlow {self._name}"
        self._clocks = {
            preset: RegularClock(info["sampling_rate"]) for preset, info in self._presets.items()
        }
        self._last_data = self._clock.monotonic()

    def read(self) -> list[Reading]:
        self._clock.wait(WAIT_S)
        found: list[Reading] = []
        try:
            for preset in sorted({row.preset for row in self._rows}):
                data = self._board.get_board_data(preset=preset)
                if data.shape[1]:
                    found += self._readings(preset, data)
        except self._api.BrainFlowError as error:
            raise DeviceGone(f"{self.device} is gone: {error}") from error
        now = self._clock.monotonic()
        if found:
            self._last_data = now
        elif now - self._last_data > SILENT_S:
            raise DeviceGone(f"{self.device} has been silent for {SILENT_S:g} s")
        return found

    def close(self) -> None:
        board, self._board = self._board, None
        if board is not None and board.is_prepared():
            try:
                board.release_session()  # this also stops the stream
            except self._api.BrainFlowError:
                self.counters["failures"] += 1

    def _readings(self, preset: int, data: Values) -> list[Reading]:
        info = self._presets[preset]
        if len(data) != info["num_rows"]:
            raise DeviceGone(f"{self.device} gave {len(data)} rows, not {info['num_rows']}")
        stamp = float(data[info["timestamp_channel"]][-1])
        if not abs(stamp) < LATEST_PLAYED / NS:  # NaN is not
            self.counters["invalid"] += data.shape[1]
            return []
        # BrainFlow's stamps are from this computer's clock, which may differ from the hub's
        last = round(stamp * NS) + self._clock.now() - time.time_ns()
        at = self._clocks[preset].timestamp(last, data.shape[1])
        found = []
        for row in self._rows:
            if row.preset == preset:
                factor, offset = row.column.scale
                values = tuple((data[row.number] * factor + offset).tolist())
                found.append(
                    Reading(
                        row.column.signal, row.column.wire_unit, at, values,
                        float(info["sampling_rate"]),
                    )
                )  # fmt: skip
        return found

    @property
    def _name(self) -> str:
        return str(self._api.BoardIds(self._number).name)

    def _find_board(self, wanted: str | int) -> int:
        boards = {board.name: int(board) for board in self._api.BoardIds}
        text = str(wanted).upper()
        number = boards.get(text, boards.get(f"{text}_BOARD"))
        if number is None and text.removeprefix("-").isdecimal():
            number = int(text) if int(text) in boards.values() else None
        if number is None:
            raise AffectlineError(
                f"--board {wanted}: BrainFlow knows no such board",
                f"it knows {', '.join(name.removesuffix('_BOARD').lower() for name in boards)}",
            )
        return number

    def _make_parameters(self) -> Any:
        parameters = self._api.BrainFlowInputParams()
        for name, value in self._settings.parameters.items():
            kind = type(getattr(parameters, name, None))
            is_number = str(value).removeprefix("-").isdecimal()
            if kind not in (int, str) or (kind is int and not is_number):
                raise AffectlineError(
                    f"--parameter {name}={value}: not a parameter of BrainFlow",
                    f"it takes {', '.join(vars(parameters))}; numbers for ports and timeouts",
                )
            setattr(parameters, name, kind(value))
        return parameters

    def _find_measuring_board(self) -> int:
        """The board that measured: a recording or a stream has the rows of another board."""
        ids = self._api.BoardIds
        if self._number not in (int(ids.PLAYBACK_FILE_BOARD), int(ids.STREAMING_BOARD)):
            return self._number
        if self._parameters.master_board == int(ids.NO_BOARD):
            raise AffectlineError(
                f"--board {self._settings.board}: does not name the board that measured",
                "give the number of the recorded board, as in --parameter master_board=-1",
            )
        return self._find_board(self._parameters.master_board)

    def _describe_presets(self) -> dict[int, dict[str, Any]]:
        shim = self._api.BoardShim
        presets = shim.get_board_presets(self._measuring_board)
        return {int(p): shim.get_board_descr(self._measuring_board, p) for p in sorted(presets)}


class RegularClock:
    """Times of evenly spaced samples whose batches arrive irregularly.

    Boards send in bursts, which shows in their time stamps. The clock counts samples at the nominal
    rate, and each batch corrects it slightly towards the stamp of its last sample. Times never
    decrease. After lost samples they are early until the corrections have caught up; a loss of
    `JUMP_NS` or more is corrected at once.
    """

    def __init__(self, rate: float) -> None:
        self._period = NS / rate
        self._next: float | None = None

    def timestamp(self, last: int, count: int) -> int:
        """When the first of ``count`` samples was taken, in ns; the last is stamped ``last``."""
        measured = last - (count - 1) * self._period
        at = measured
        if self._next is not None and abs(measured - self._next) < JUMP_NS:
            at = self._next + GAIN * (measured - self._next)
            at = max(at, self._next - self._period)
        self._next = at + count * self._period
        return round(at)


def choose_rows(presets: dict[int, dict[str, Any]], columns: dict[str, Column]) -> list[BoardRow]:
    """Choose the rows to read: those of ``columns``, or the first of each known kind.

    Raises:
        AffectlineError: A row does not exist, or the board has no row of a known kind.
    """
    if columns:
        return [_row(key, column, presets) for key, column in columns.items()]
    rows: dict[str, BoardRow] = {}
    for preset, info in presets.items():
        for kind, signals in DEFAULT_ROWS.items():
            for (signal, unit), number in zip(signals, info.get(kind, ()), strict=False):
                rows.setdefault(signal, BoardRow(preset, number, Column(signal=signal, unit=unit)))
    if not rows:
        raise AffectlineError(
            "--driver brainflow: the board describes none of its rows as a known signal",
            "choose rows by number with --column, e.g. --column 1=eeg:uV",
        )
    return list(rows.values())


def _row(key: str, column: Column, presets: dict[int, dict[str, Any]]) -> BoardRow:
    preset, _, number = key.rpartition(":")
    if number.isdecimal() and (preset or "0").isdecimal():
        info = presets.get(int(preset or 0))
        if info and int(number) < info["num_rows"]:
            return BoardRow(int(preset or 0), int(number), column)
    known = ", ".join(f"{p}:0 to {p}:{info['num_rows'] - 1}" for p, info in presets.items())
    raise AffectlineError(f"--column {key}: the board has no such row", f"it has {known}")
