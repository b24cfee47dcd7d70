"""CSV tables with one row for each time and one column for each signal."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import (
    DEFAULT_TIME_ZONE,
    SIGNALS,
    Column,
    Columns,
    PlaybackSettings,
    TimeZone,
    find_time_zone,
)
from affectline.services.biometrics.file_playback import (
    FilePlayback,
    RecordedSignal,
    RecordedSignals,
    Times,
    Values,
    make_monotonic,
    regular_times,
    rescale,
)
from affectline.services.biometrics.table import (
    Decimals,
    Numbers,
    Omissions,
    Row,
    TimeReader,
    TimeUnit,
    check_widths,
    find_column,
    read_table,
)
from affectline.services.biometrics.validation import NS

OPTION: Final = "--file"
GRID_TOLERANCE: Final = 0.05
"""Times are evenly spaced if none is further from a grid than this share of its step."""
LONGEST_STEP_DAYS: Final = 366
"""No session pauses for longer: one of the two times is wrong."""
LONGER: Final = 100
"""A table this many times as long as the films beside it has another unit of time, as a rule."""
BACKWARDS: Final = 0.45
"""If this share of the steps between times goes back, the rows are not in the order of their times:
a clock that is set back does that once."""
GRID_MIN_SAMPLES: Final = 8
"""With fewer samples no rate is inferred."""


class CsvSettings(PlaybackSettings):
    """One table, and the contents of its columns."""

    driver: Literal["csv"] = "csv"
    file: Path
    """The table, with a header line."""
    columns: Columns
    """Signal and unit of each column, by its name in the header."""
    time_column: str = "time"
    """Column with the time of each row; ignored if there is a ``rate``."""
    time_unit: TimeUnit = "s"
    """Unit of the times since the Unix epoch or any other moment, or ``iso`` for ISO 8601 dates."""
    time_zone: TimeZone | None = None
    """Time zone of dates without an offset from UTC, such as ``Europe/Berlin``, ``UTC``, or
    ``local`` for this computer's; by default that of the run, or UTC if the run has none."""
    rate: Annotated[float, Field(ge=0.001, le=100_000)] | None = None
    """Rows a second, if there is no column of times."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between cells; by default comma, semicolon or tab, whichever the header has."""
    decimal: Decimals | None = None
    """The decimal sign; by default a point if commas separate cells, else the one in use."""

    @field_validator("columns")
    @classmethod
    def _check_not_empty(cls, columns: dict[str, Column]) -> dict[str, Column]:
        if not columns:
            raise ValueError("the driver csv needs at least one column")
        return columns

    @model_validator(mode="after")
    def _check_rate(self) -> Self:
        if self.rate and self.keep_times:
            raise ValueError("keep_times needs a column of times, which rate replaces")
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return (*self.columns, *(() if self.rate else (self.time_column,)))


class _TimedRows(NamedTuple):
    times: Times
    """``(N,) int64`` in ns, never decreasing."""
    rows: list[Row]


class CsvDriver(FilePlayback):
    """A CSV table with a header line.

    The whole table is read at once. Empty cells are gaps; cells without a number, and rows whose
    time cannot be read, are counted as ``invalid`` and logged. `make_monotonic` corrects times that
    decrease.
    """

    settings_model = CsvSettings
    _settings: CsvSettings
    _is_compared = False

    def load(self) -> RecordedSignals:
        settings = self._settings
        path = settings.file
        self.device = f"CSV {path.name}"
        table = read_table(path, OPTION, settings.wanted, delimiter=settings.delimiter)
        indexes = {name: find_column(table.header, name, OPTION, path) for name in settings.wanted}
        omissions = Omissions(path.name)
        width = len(table.header.cells)
        rows = check_widths(table, width, omissions, OPTION, path)
        self.counters["invalid"] += sum(not row.cells for row in rows)
        numbers = Numbers(table.delimiter, settings.decimal)
        timed = self._timed(rows, indexes, numbers, omissions)
        signals = []
        for name, column in settings.columns.items():
            values = self._values(name, indexes[name], timed.rows, numbers, omissions)
            signals.append(self._signal(column, timed.times, values, path))
        numbers.check(OPTION, path, "choose the decimal sign with --decimal")
        signals = [signal for signal in signals if len(signal.times)]
        if not signals:
            raise AffectlineError(
                f"--file {path}: no number in {', '.join(settings.columns)}",
                "name other columns with --column, the character between them with --delimiter, or "
                "their decimal sign with --decimal",
            )
        if remark := omissions.describe(len(rows)):
            self.remarks.append(remark)
        return RecordedSignals(signals, int(timed.times[0]))

    def compare(self, films_ns: int) -> None:
        settings, length_ns = self._settings, self.length_ns
        if settings.rate or settings.time_unit == "iso" or length_ns is None:
            return
        if not self._is_compared and length_ns > LONGER * films_ns > 0:
            self._is_compared = True
            self.remarks.append(
                f"{settings.file.name} lasts {length_ns / NS:.0f} s, and the films beside it "
                f"{films_ns / NS:.1f} s: is the time_unit of its times, {settings.time_unit}, "
                "right?"
            )

    @classmethod
    def find_start(cls, settings: Any) -> int:
        table = read_table(
            settings.file, OPTION, settings.wanted, delimiter=settings.delimiter, first_rows=True
        )
        index = find_column(table.header, settings.time_column, OPTION, settings.file)
        reader = _time_reader(settings, Numbers(table.delimiter, settings.decimal))
        width = len(table.header.cells)
        for row in table.rows:
            if len(row.cells) <= width or not any(row.cells[width:]):
                time = reader.read(_cell(row, index))
                if time is not None:
                    return time
        # No time in its first rows: read the whole table, or refuse it with the reason
        return super().find_start(settings)

    def _timed(
        self, rows: list[Row], indexes: dict[str, int], numbers: Numbers, omissions: Omissions
    ) -> _TimedRows:
        """The rows with a time, and their times."""
        settings = self._settings
        if settings.rate:
            timed = _TimedRows(
                regular_times(0, settings.rate, len(rows), f"--file {settings.file}"), rows
            )
        else:
            timed = self._read_times(rows, indexes[settings.time_column], numbers, omissions)
        if not len(timed.times):
            raise AffectlineError(
                f"--file {settings.file}: no row with a time that can be read",
                f"column {settings.time_column!r} should hold "
                f"{_describe_unit(settings.time_unit)}; or choose another --time-unit",
            )
        return timed

    def _read_times(
        self, rows: list[Row], index: int, numbers: Numbers, omissions: Omissions
    ) -> _TimedRows:
        reader = _time_reader(self._settings, numbers)
        known: list[tuple[int, Row]] = []
        for row in rows:
            if not row.cells:
                continue
            cell = _cell(row, index)
            time = reader.read(cell)
            if time is None:
                omissions.add("rows were left out", "no time", row, cell)
                self.counters["invalid"] += 1
            else:
                known.append((time, row))
        own = np.array([time for time, _ in known], np.int64)
        self._check_order(own)
        times, falls = make_monotonic(own)
        timed = _TimedRows(times, [row for _, row in known])
        self.counters["reanchored"] += falls
        self._check_steps(timed)
        self._remark_on_moved(timed, own)
        self._remark_on_times(reader)
        return timed

    def _check_order(self, own: Times) -> None:
        """Refuse rows in another order: moved after the row above, all would be at one moment.

        Raises:
            AffectlineError: About half of the times go back, or more.
        """
        steps = np.diff(own)
        back, steps_count = int((steps < 0).sum()), int((steps != 0).sum())
        if back > 1 and back >= BACKWARDS * steps_count:
            raise AffectlineError(
                f"--file {self._settings.file}: {back} of {len(own)} times are earlier than the "
                "one above: the rows are not in the order of their times",
                f"sort the table by {self._settings.time_column!r}, the oldest row first",
            )

    def _check_steps(self, timed: _TimedRows) -> None:
        steps = np.diff(timed.times)
        place = int(steps.argmax()) if len(steps) else 0
        if len(steps) and (days := steps[place] / NS / 86_400) > LONGEST_STEP_DAYS:
            before, after = timed.rows[place], timed.rows[place + 1]
            raise AffectlineError(
                f"--file {self._settings.file}: {days:.0f} days lie between the times of line "
                f"{before.line} and line {after.line}",
                "correct the wrong one, or remove its row",
            )

    def _remark_on_moved(self, timed: _TimedRows, own: Times) -> None:
        moved = np.flatnonzero(timed.times != own)
        if len(moved):
            most = float(np.abs(timed.times - own).max() / NS)
            self.remarks.append(
                f"{self._settings.file.name}: {len(moved)} of {len(own)} times were moved, by up "
                f"to {most:g} s, because times go back (first moved: line "
                f"{timed.rows[moved[0]].line})"
            )

    def _remark_on_times(self, reader: TimeReader) -> None:
        settings, name = self._settings, self._settings.file.name
        zone = settings.time_zone or DEFAULT_TIME_ZONE
        if reader.without_offset and settings.keep_times:
            self.remarks.append(f"{name}: times without an offset from UTC are taken as {zone}")
        if reader.skipped_by_clocks:
            self.remarks.append(
                f"{name}: {reader.skipped_by_clocks} times do not exist in {zone}, where clocks "
                f"were put forward: is the --time-zone right?"
            )

    def _values(
        self, name: str, index: int, rows: list[Row], numbers: Numbers, omissions: Omissions
    ) -> Values:
        values = np.full(len(rows), np.nan)
        for i, row in enumerate(rows):
            cell = _cell(row, index)
            value = numbers.read(cell)
            if value is None:
                omissions.add(f"cells of {name} were left out", "no number", row, cell)
                self.counters["invalid"] += 1
            else:
                values[i] = value
        return values

    def _signal(self, column: Column, times: Times, values: Values, path: Path) -> RecordedSignal:
        rate = self._settings.rate
        if rate is None:
            known = ~np.isnan(values)
            times, values = times[known], values[known]
            rate = infer_rate(times)
        elif np.isnan(values).all():
            times, values = times[:0], values[:0]
        signal = rescale(
            RecordedSignal(column.signal, column.wire_unit, times, values, rate), column.scale
        )
        _check_unit(signal, column, path)
        return signal


def _time_reader(settings: CsvSettings, numbers: Numbers) -> TimeReader:
    zone = find_time_zone(settings.time_zone or DEFAULT_TIME_ZONE)
    return TimeReader(settings.time_unit, zone, numbers)


def _cell(row: Row, index: int) -> str:
    return row.cells[index] if index < len(row.cells) else ""


def infer_rate(times: Times) -> float | None:
    """Samples a second if the times (ns) are evenly spaced, else None."""
    if len(times) < GRID_MIN_SAMPLES or times[-1] <= times[0]:
        return None
    step = float(times[-1] - times[0]) / (len(times) - 1)
    grid = np.arange(len(times)) * step
    deviation = np.abs((times - times[0]) - grid).max()
    rate = NS / step
    return rate if deviation <= GRID_TOLERANCE * step and rate <= 100_000 else None


def _check_unit(signal: RecordedSignal, column: Column, path: Path) -> None:
    """Refuse a column whose values are plausible only in a unit other than the given one.

    Raises:
        AffectlineError: The median is not plausible, but would be in another unit.
    """
    known = SIGNALS.get(signal.signal)
    finite = signal.values[np.isfinite(signal.values)]
    if known is None or not len(finite):
        return
    median = float(np.median(finite))
    if known.low <= median <= known.high:
        return
    factor, offset = column.scale
    given = (median - offset) / factor
    for unit, (other_factor, other_offset) in {known.unit: (1.0, 0.0), **known.others}.items():
        if known.low <= given * other_factor + other_offset <= known.high:
            raise AffectlineError(
                f"--file {path}: {signal.signal} around {given:g} cannot be {column.unit}",
                f"it looks like {unit}: change it with --column, or give the signal another name",
            )


def _describe_unit(unit: str) -> str:
    return "dates as in 2026-01-31T12:00:00.5+01:00" if unit == "iso" else f"numbers in {unit}"
