"""Empatica E4: the folder that its portal exports for a session.

The export's own ``info.txt`` describes the format. Most files begin with a row of start times
(Unix, UTC) and a row of sample rates in Hz, a column each. ``IBI.csv`` has the start time, then
rows with the seconds since then and the interval that ended at that time, also in seconds.
``tags.csv`` has the Unix time of each press of the watch's button.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import PlaybackSettings
from affectline.services.biometrics.driver import BUTTON
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    FilePlayback,
    RecordedSignal,
    RecordedSignals,
    make_monotonic,
    regular_times,
)
from affectline.services.biometrics.table import (
    Numbers,
    Omissions,
    Row,
    Table,
    check_widths,
    read_table,
)
from affectline.services.biometrics.validation import NS

OPTION: Final = "--folder:"
AGAIN: Final = "export the session again, or remove the file"
REGULAR_FILES: Final[dict[str, tuple[tuple[str, str, float], ...]]] = {
    "EDA.csv": (("skin_conductance", "uS", 1.0),),
    "HR.csv": (("heart_rate", "/min", 1.0),),
    "TEMP.csv": (("temperature", "Cel", 1.0),),
    "BVP.csv": (("ppg", "1", 1.0),),
    "ACC.csv": tuple((f"acceleration_{axis}", "g", 1 / 64) for axis in "xyz"),
}
"""Signal, unit, and the factor from the file's unit to that unit, for each column."""
INTERVALS_FILE: Final = "IBI.csv"
FILES: Final = (*REGULAR_FILES, INTERVALS_FILE)
TAGS_FILE: Final = "tags.csv"
RATE_RANGE: Final = (0.001, 100_000)
"""Range of samples a second that a file may have."""


class E4Settings(PlaybackSettings):
    """The export of one session."""

    driver: Literal["e4"] = "e4"
    folder: Path
    """Folder of the unpacked export of a session."""


class E4Driver(FilePlayback):
    """The export folder of an Empatica E4 session."""

    settings_model = E4Settings
    _settings: E4Settings

    def load(self) -> RecordedSignals:
        folder = self._settings.folder
        self.device = f"Empatica E4 export {folder.name}"
        _check_folder(folder)
        signals: list[RecordedSignal] = []
        for name in FILES:
            signals += read_file(folder / name, self.counters, self.remarks)
        start = min((begin for _, begin in _starts(folder)), default=None)
        if not signals or start is None:
            raise _no_measurements(folder)
        tags = _read_tags(folder / TAGS_FILE, signals, self.counters, self.remarks)
        return RecordedSignals([*signals, *tags], start)

    @classmethod
    def find_start(cls, settings: Any) -> int:
        _check_folder(settings.folder)
        start = min((begin for _, begin in _starts(settings.folder)), default=None)
        if start is None:
            raise _no_measurements(settings.folder)
        return start


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise AffectlineError(
            f"--folder {folder}: no such folder", "unpack the ZIP file of the session first"
        )


def _no_measurements(folder: Path) -> AffectlineError:
    return AffectlineError(
        f"--folder {folder}: holds no measurements of an Empatica E4",
        f"it should have some of {', '.join(FILES)}",
    )


def _starts(folder: Path) -> Iterator[tuple[str, int]]:
    """When each file with contents begins, in ns since the Unix epoch."""
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        table = read_table(path, OPTION, _width(name), first_rows=True)
        if len(table.rows) > _rows_before(name):
            start = _number(table.rows[0], 0, Numbers(table.delimiter))
            if _is_time(start):
                yield name, round(start * NS)


def _width(name: str) -> int:
    """Number of columns of a file."""
    return len(REGULAR_FILES.get(name, ("time", "interval")))


def _rows_before(name: str) -> int:
    """Number of rows before the first sample of a file."""
    return 1 if name == INTERVALS_FILE else 2


def read_file(
    path: Path, counters: Counter[str], remarks: list[str] | None = None
) -> list[RecordedSignal]:
    """Read one file of an export; an empty list if it is missing or empty.

    Args:
        path: One of `FILES`.
        counters: ``invalid`` counts cells without a number, ``reanchored`` times that decrease.
        remarks: Gets a line about what was left out.

    Raises:
        AffectlineError: The file cannot be read, or does not begin as it should.
    """
    if not path.is_file():
        return []
    table = read_table(path, OPTION, _width(path.name))
    if len(table.rows) <= _rows_before(path.name):
        return []  # a sensor that measured nothing has a file of two rows, or none
    omissions = Omissions(path.name)
    read = _read_intervals if path.name == INTERVALS_FILE else _read_regular
    signals = read(path, table, counters, omissions)
    if remarks is not None and (remark := omissions.describe(len(table.rows))):
        remarks.append(remark)
    return signals


def _read_regular(
    path: Path, table: Table, counters: Counter[str], omissions: Omissions
) -> list[RecordedSignal]:
    columns = REGULAR_FILES[path.name]
    numbers = Numbers(table.delimiter)
    # A row that is left out keeps its place: otherwise the samples below it would be early
    rows = check_widths(table, _width(path.name), omissions, OPTION, path)
    start, rate = (_number(row, 0, numbers) for row in rows[:2])
    if not (_is_time(start) and RATE_RANGE[0] <= rate <= RATE_RANGE[1]):
        raise AffectlineError(
            f"--folder: {path} begins with {_shown(rows[0])} and {_shown(rows[1])}",
            f"the first row is the start in Unix time, the second the samples a second; {AGAIN}",
        )
    times = regular_times(round(start * NS), rate, len(rows) - 2, f"--folder: {path}")
    signals = []
    for index, (signal, unit, factor) in enumerate(columns):
        values = np.array([_value(row, index, numbers, counters, omissions) for row in rows[2:]])
        signals.append(RecordedSignal(signal, unit, times, values * factor, rate))
    numbers.check(OPTION, path, AGAIN)
    return signals


def _read_intervals(
    path: Path, table: Table, counters: Counter[str], omissions: Omissions
) -> list[RecordedSignal]:
    numbers = Numbers(table.delimiter)
    rows = check_widths(table, _width(path.name), omissions, OPTION, path)
    start = _number(rows[0], 0, numbers)
    if not _is_time(start):
        raise AffectlineError(
            f"--folder: {path} begins with {_shown(rows[0])}",
            f"the first row is the start in Unix time; {AGAIN}",
        )
    known = []
    for row in rows[1:]:
        at, value = _number(row, 0, numbers), _value(row, 1, numbers, counters, omissions)
        if at >= 0 and _is_time(start + at):
            known.append((start + at, value * 1000))
        else:
            counters["invalid"] += 1
            if row.cells:
                omissions.add("rows were left out", "no time", row, _cell(row, 0))
    numbers.check(OPTION, path, AGAIN)
    if not known:
        return []
    seconds, intervals = zip(*known, strict=True)
    times, falls = make_monotonic(np.array([round(s * NS) for s in seconds], np.int64))
    counters["reanchored"] += falls
    return [RecordedSignal("rr_interval", "ms", times, np.array(intervals))]


def _read_tags(
    path: Path, measured: list[RecordedSignal], counters: Counter[str], remarks: list[str]
) -> list[RecordedSignal]:
    """Read the button presses during the measurement; others are counted as ``invalid``."""
    if not path.is_file():
        return []
    table = read_table(path, OPTION, 1)
    numbers, omissions = Numbers(table.delimiter), Omissions(path.name)
    first = min(int(signal.times[0]) for signal in measured)
    last = max(int(signal.times[-1]) for signal in measured)
    presses = []
    for row in table.rows:
        if not row.cells:
            continue
        at = _number(row, 0, numbers)
        time = round(at * NS) if _is_time(at) and len(row.cells) == 1 else None
        if time is not None and first <= time <= last:
            presses.append(time)
            continue
        reason = "no time" if time is None else "not within the measurement"
        omissions.add("rows were left out", reason, row, ",".join(row.cells))
        counters["invalid"] += 1
    if remark := omissions.describe(len(table.rows)):
        remarks.append(remark)
    times = np.array(sorted(presses), np.int64)
    return [RecordedSignal(BUTTON, "1", times, np.ones(len(times)))] if len(times) else []


def _value(
    row: Row, index: int, numbers: Numbers, counters: Counter[str], omissions: Omissions
) -> float:
    """The number in a cell, or NaN; a missing sample is counted and logged."""
    cell = _cell(row, index)
    value = numbers.read(cell)
    if value is not None and not np.isnan(value):
        return value
    counters["invalid"] += 1
    if index < len(row.cells):  # short and blank rows have been reported already
        omissions.add("cells were left out", "no number", row, cell)
    return np.nan


def _cell(row: Row, index: int) -> str:
    return row.cells[index] if index < len(row.cells) else ""


def _number(row: Row, index: int, numbers: Numbers) -> float:
    """The number in a cell, or NaN."""
    value = numbers.read(_cell(row, index))
    return np.nan if value is None else value


def _shown(row: Row) -> str:
    return repr(_cell(row, 0))


def _is_time(seconds: float) -> bool:
    """Whether this is a time that can be played, in seconds since the Unix epoch."""
    return 0 <= seconds < LATEST_PLAYED / NS
