"""Boards that BrainFlow knows: EEG and ECG amplifiers, Muse, EmotiBit and many others."""

import time
from dataclasses import dataclass
from typing import Any, Final

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings, Column
from affectline.services.biometrics.driver import (
    WAIT_S,
    Clock,
    DeviceGone,
    Driver,
    Reading,
    missing_package,
)
from affectline.services.biometrics.file_playback import Values
from affectline.services.biometrics.validation import NS

SILENT_S: Final = 5.0
"""A board that sends nothing for so long is opened again; a lost dongle shows in no other way."""
BUFFER: Final = 450_000
"""Samples that BrainFlow keeps for us; its own default, half an hour at 250 Hz."""
GAIN: Final = 0.02
"""How far each batch moves the even clock towards the times that the board's driver took."""
JUMP_NS: Final = NS
"""The even clock starts anew where it is off by more: samples were lost, or a clock was set."""
KINDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "ecg_channels": (("ecg", "uV"),),
    "ppg_channels": (("ppg", "1"),),
    "eda_channels": (("skin_conductance", "uS"),),
    "temperature_channels": (("temperature", "Cel"),),
    "accel_channels": tuple((f"acceleration_{axis}", "g") for axis in "xyz"),
}
"""What is taken without being asked for, as boards describe themselves: the first of each kind, in
the units of BrainFlow's data format (https://brainflow.readthedocs.io, Data Format)."""


@dataclass(frozen=True)
class BoardRow:
    """A row of the board's data: which preset's, and what it measures."""

    preset: int
    number: int
    column: Column


class BrainFlowDriver(Driver):
    """Reads one board.

    Args:
        settings: ``board`` and ``parameters`` say which, and how to reach it.
        clock: What time it is.
    """

    def __init__(self, settings: BiometricsSettings, clock: Clock) -> None:
        super().__init__()
        self._settings, self._clock = settings, clock
        try:
            from brainflow import board_shim
        except ImportError as error:
            raise missing_package("brainflow", error) from error
        self._api: Any = board_shim
        board_shim.BoardShim.disable_board_logger()
        self._number = self._find_board(settings.board)
        self._parameters = self._make_parameters()
        self._origin = self._find_origin()
        self._presets = self._describe()
        self._rows = choose_rows(self._presets, settings.columns)
        self.synthetic = self._origin == int(board_shim.BoardIds.SYNTHETIC_BOARD)
        self._board: Any = None

    def open(self) -> None:
        self._board = self._api.BoardShim(self._number, self._parameters)
        try:
            self._board.prepare_session()
            self._board.start_stream(BUFFER)
        except self._api.BrainFlowError as error:
            raise DeviceGone(f"BrainFlow: board {self._name}: {error}") from error
        self.device = f"BrainFlow {self._name}"
        self._clocks = {
            preset: EvenClock(about["sampling_rate"]) for preset, about in self._presets.items()
        }
        self._heard = self._clock.monotonic()

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
            self._heard = now
        elif now - self._heard > SILENT_S:
            raise DeviceGone(f"{self.device} has been silent for {SILENT_S:g} s")
        return found

    def close(self) -> None:
        board, self._board = self._board, None
        if board is not None and board.is_prepared():
            try:
                board.release_session()  # stops the stream as well
            except self._api.BrainFlowError:
                self.counters["failures"] += 1

    def _readings(self, preset: int, data: Values) -> list[Reading]:
        about = self._presets[preset]
        stamps = data[about["timestamp_channel"]]
        # BrainFlow stamps by this computer's clock, which may be another than the hub's
        last = round(float(stamps[-1]) * NS) + self._clock.now() - time.time_ns()
        at = self._clocks[preset].place(last, data.shape[1])
        found = []
        for row in self._rows:
            if row.preset == preset:
                factor, summand = row.column.scale
                values = tuple((data[row.number] * factor + summand).tolist())
                found.append(
                    Reading(
                        row.column.signal, row.column.wire_unit, at, values,
                        float(about["sampling_rate"]),
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
                    f"it takes {', '.join(vars(parameters))}; numbers for ports and time-outs",
                )
            setattr(parameters, name, kind(value))
        return parameters

    def _find_origin(self) -> int:
        """The board that measures: a recording or a stream only passes its rows on."""
        ids = self._api.BoardIds
        if self._number not in (int(ids.PLAYBACK_FILE_BOARD), int(ids.STREAMING_BOARD)):
            return self._number
        if self._parameters.master_board == int(ids.NO_BOARD):
            raise AffectlineError(
                f"--board {self._settings.board}: cannot say what it measures",
                "name the number of the recorded board, as in --parameter master_board=-1",
            )
        return self._find_board(self._parameters.master_board)

    def _describe(self) -> dict[int, dict[str, Any]]:
        shim = self._api.BoardShim
        presets = shim.get_board_presets(self._origin)
        return {int(p): shim.get_board_descr(self._origin, p) for p in sorted(presets)}


class EvenClock:
    """Times of evenly spaced samples, from the ragged times at which their batches came.

    Boards send in bursts, and a driver's stamps show it. The clock counts samples at the nominal
    rate, and each batch pulls it a little towards the stamp of its last sample. Times never fall.
    """

    def __init__(self, rate: float) -> None:
        self._period = NS / rate
        self._next: float | None = None

    def place(self, last: int, count: int) -> int:
        """When the first of ``count`` samples was taken, in ns, the last being stamped ``last``."""
        measured = last - (count - 1) * self._period
        at = measured
        if self._next is not None and abs(measured - self._next) < JUMP_NS:
            at = self._next + GAIN * (measured - self._next)
            at = max(at, self._next - self._period)
        self._next = at + count * self._period
        return round(at)


def choose_rows(presets: dict[int, dict[str, Any]], columns: dict[str, Column]) -> list[BoardRow]:
    """Which rows to read: those of ``columns``, or the first of each kind that is ours.

    Raises:
        AffectlineError: There is no such row, or the board has nothing of ours.
    """
    if columns:
        return [_row(key, column, presets) for key, column in columns.items()]
    rows: dict[str, BoardRow] = {}
    for preset, about in presets.items():
        for kind, signals in KINDS.items():
            for (signal, unit), number in zip(signals, about.get(kind, ()), strict=False):
                rows.setdefault(signal, BoardRow(preset, number, Column(signal=signal, unit=unit)))
    if not rows:
        raise AffectlineError(
            "--driver brainflow: the board says of none of its rows that it is of the body",
            "choose rows by number with --column, e.g. --column 1=eeg:uV",
        )
    return list(rows.values())


def _row(key: str, column: Column, presets: dict[int, dict[str, Any]]) -> BoardRow:
    preset, _, number = key.rpartition(":")
    if number.isdecimal() and (preset or "0").isdecimal():
        about = presets.get(int(preset or 0))
        if about and int(number) < about["num_rows"]:
            return BoardRow(int(preset or 0), int(number), column)
    known = ", ".join(f"{p}:0 to {p}:{about['num_rows'] - 1}" for p, about in presets.items())
    raise AffectlineError(f"--column {key}: the board has no such row", f"it has {known}")
