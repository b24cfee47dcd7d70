"""CSV tables: one row for each time, one column for each signal."""

import csv
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import SIGNALS, Column, Columns
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    FilePlayback,
    PlaybackSettings,
    RecordedSignal,
    Times,
    Values,
    make_monotonic,
    regular_times,
    rescale,
)
from affectline.services.biometrics.validation import NS

TIME_NS: Final = {"s": NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
GRID_TOLERANCE: Final = 0.05
"""Times are evenly spaced when none is further from a grid than this part of its step."""
GRID_MIN_SAMPLES: Final = 8
"""With fewer samples than this no rate is inferred."""


class CsvSettings(PlaybackSettings):
    """One table, and what its columns hold."""

    driver: Literal["csv"] = "csv"
    file: Path
    """The table, with a header line."""
    columns: Columns
    """Signal and unit of each column, by its name in the header."""
    time_column: str = "time"
    """Column with the time of each row; ignored where there is a ``rate``."""
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = "s"
    """Unit of the times since the Unix epoch or any other moment, or ``iso`` for ISO 8601 dates."""
    rate: Annotated[float, Field(ge=0.001, le=100_000)] | None = None
    """Rows a second, where there is no column of times."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """The character between cells."""

    @field_validator("columns")
    @classmethod
    def _check_not_empty(cls, columns: dict[str, Column]) -> dict[str, Column]:
        if not columns:
            raise ValueError("the driver csv needs at least one column")
        return columns

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.rate and self.keep_times:
            raise ValueError("keep_times needs a column of times, which rate replaces")
        return self


class CsvDriver(FilePlayback):
    """A CSV table with a header line.

    The table is read whole. Empty cells are gaps; cells that hold no number, and rows whose time
    cannot be read, are counted as ``invalid``. Times that fall are corrected by `make_monotonic`.
    """

    settings_model = CsvSettings
    _settings: CsvSettings

    def load(self) -> list[RecordedSignal]:
        settings = self._settings
        path = settings.file
        self.device = f"CSV {path.name}"
        header, rows = _read_table(path, settings.delimiter)
        needed = [*settings.columns, *([] if settings.rate else [settings.time_column])]
        for name in needed:
            if name not in header:
                hint = f"its columns are {', '.join(header)}"
                if len(header) == 1:
                    hint += "; is there another --delimiter between them?"
                raise AffectlineError(f"--file {path}: no column {name!r}", hint)
        times, kept = self._times(header, rows)
        if not len(times):
            raise AffectlineError(
                f"--file {path}: no row with a time that can be read",
                f"column {settings.time_column!r} should hold "
                f"{_describe_unit(settings.time_unit)}; or choose another --time-unit",
            )
        signals = [
            self._signal(column, times, self._values(header.index(name), kept), path)
            for name, column in settings.columns.items()
        ]
        signals = [signal for signal in signals if len(signal.times)]
        if not signals:
            raise AffectlineError(
                f"--file {path}: no number in {', '.join(settings.columns)}",
                "name other columns with --column, or what is between them with --delimiter",
            )
        return signals

    def _times(self, header: list[str], rows: list[list[str]]) -> tuple[Times, list[list[str]]]:
        """The times of the rows that have one, and those rows."""
        if self._settings.rate:
            return regular_times(0, self._settings.rate, len(rows)), rows
        index, unit = header.index(self._settings.time_column), self._settings.time_unit
        read = [(_parse_time(self._cell(row, index), unit), row) for row in rows]
        known = [(time, row) for time, row in read if time is not None]
        self.counters["invalid"] += len(read) - len(known)
        times, falls = make_monotonic(np.array([time for time, _ in known], np.int64))
        self.counters["reanchored"] += falls
        return times, [row for _, row in known]

    def _values(self, index: int, rows: list[list[str]]) -> Values:
        values = np.full(len(rows), math.nan)
        for i, row in enumerate(rows):
            cell = self._cell(row, index)
            if not cell:
                continue
            try:
                values[i] = float(cell)
            except ValueError:
                self.counters["invalid"] += 1
        return values

    def _cell(self, row: list[str], index: int) -> str:
        """A cell, or an empty text. With another delimiter a comma is the decimal point."""
        cell = row[index].strip() if index < len(row) else ""
        return cell if self._settings.delimiter == "," else cell.replace(",", ".")

    def _signal(self, column: Column, times: Times, values: Values, path: Path) -> RecordedSignal:
        rate = self._settings.rate
        if rate is None:
            known = ~np.isnan(values)
            times, values = times[known], values[known]
            rate = infer_rate(times)
        signal = rescale(
            RecordedSignal(column.signal, column.wire_unit, times, values, rate), column.scale
        )
        _check_unit(signal, column, path)
        return signal


def infer_rate(times: Times) -> float | None:
    """Samples a second where the times (ns) are evenly spaced, else None."""
    if len(times) < GRID_MIN_SAMPLES or times[-1] <= times[0]:
        return None
    step = float(times[-1] - times[0]) / (len(times) - 1)
    grid = np.arange(len(times)) * step
    deviation = np.abs((times - times[0]) - grid).max()
    rate = NS / step
    return rate if deviation <= GRID_TOLERANCE * step and rate <= 100_000 else None


def _check_unit(signal: RecordedSignal, column: Column, path: Path) -> None:
    """Refuse a column whose values are plausible only in another unit than the given one.

    Raises:
        AffectlineError: Its median is not plausible, but would be in another unit.
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


def _read_table(path: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, without blank lines."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if any(row)]
    except OSError as error:
        raise AffectlineError(
            f"--file {path}: cannot be read ({error.strerror})", "name a readable CSV file"
        ) from error
    except (csv.Error, ValueError) as error:
        raise AffectlineError(f"--file {path}: is no CSV ({error})", "name a CSV file") from error
    if not rows:
        raise AffectlineError(f"--file {path}: is empty", "the first line names the columns")
    return [name.strip() for name in rows[0]], rows[1:]


def _parse_time(cell: str, unit: str) -> int | None:
    """The time in a cell, in ns, or None."""
    try:
        if unit == "iso":
            moment = datetime.fromisoformat(cell)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            time = round(moment.timestamp() * 1_000_000) * 1_000
        else:
            # Whole numbers stay exact: a float has no room for nanoseconds since 1970
            whole = cell.isdecimal()
            time = int(cell) * TIME_NS[unit] if whole else round(float(cell) * TIME_NS[unit])
    except (ValueError, OverflowError):
        return None
    return time if 0 <= time < LATEST_PLAYED else None


def _describe_unit(unit: str) -> str:
    return "dates as in 2026-01-31T12:00:00.5+01:00" if unit == "iso" else f"numbers in {unit}"
