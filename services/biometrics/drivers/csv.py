"""A table of measurements: one row for each moment, one column for each signal."""

import csv
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import SIGNALS, Column
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    FilePlayback,
    RecordedSignal,
    Times,
    Values,
    ascending,
    even_times,
    scaled,
)
from affectline.services.biometrics.validation import NS

TIME_NS: Final = {"s": NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
EVEN_PART: Final = 0.05
"""Times are even when none is further from an even grid than this part of its step."""
EVEN_LEAST: Final = 8
"""Fewer samples than this say nothing about a grid."""


class CsvDriver(FilePlayback):
    """Plays the columns of a table.

    The table is read whole. Empty cells are gaps; cells that hold no number, and rows whose time
    cannot be read, are counted as ``invalid``. Where the times fall, `ascending` puts them right.
    """

    def load(self) -> list[RecordedSignal]:
        settings = self._settings
        path = settings.file or Path()
        self.device = f"CSV {path.name}"
        header, rows = _read(path, settings.delimiter)
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
                f"column {settings.time_column!r} should hold {_time_words(settings.time_unit)}; "
                "or choose another --time-unit",
            )
        tracks = [
            self._track(column, times, self._values(header.index(name), kept), path)
            for name, column in settings.columns.items()
        ]
        tracks = [track for track in tracks if len(track.times)]
        if not tracks:
            raise AffectlineError(
                f"--file {path}: no number in {', '.join(settings.columns)}",
                "name other columns with --column, or what is between them with --delimiter",
            )
        return tracks

    def _times(self, header: list[str], rows: list[list[str]]) -> tuple[Times, list[list[str]]]:
        """Time of every row that has one, and those rows."""
        if self._settings.rate:
            return even_times(0, self._settings.rate, len(rows)), rows
        index, unit = header.index(self._settings.time_column), self._settings.time_unit
        read = [(_time(self._cell(row, index), unit), row) for row in rows]
        known = [(time, row) for time, row in read if time is not None]
        self.counters["invalid"] += len(read) - len(known)
        times, falls = ascending(np.array([time for time, _ in known], np.int64))
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
        """A cell, empty where the row is too short. Between other signs a comma is a point."""
        cell = row[index].strip() if index < len(row) else ""
        return cell if self._settings.delimiter == "," else cell.replace(",", ".")

    def _track(self, column: Column, times: Times, values: Values, path: Path) -> RecordedSignal:
        rate = self._settings.rate
        if rate is None:
            known = ~np.isnan(values)
            times, values = times[known], values[known]
            rate = even_rate(times)
        track = scaled(
            RecordedSignal(column.signal, column.wire_unit, times, values, rate), column.scale
        )
        _check_unit(track, column, path)
        return track


def even_rate(times: Times) -> float | None:
    """Samples a second, where the times (ns) lie on an even grid."""
    if len(times) < EVEN_LEAST or times[-1] <= times[0]:
        return None
    step = float(times[-1] - times[0]) / (len(times) - 1)
    grid = np.arange(len(times)) * step
    off = np.abs((times - times[0]) - grid).max()
    rate = NS / step
    return rate if off <= EVEN_PART * step and rate <= 100_000 else None


def _check_unit(track: RecordedSignal, column: Column, path: Path) -> None:
    """Refuse a column whose values make sense in another unit than the one it is said to have.

    Raises:
        AffectlineError: Its median is what no person shows, but would be ordinary otherwise.
    """
    known = SIGNALS.get(track.signal)
    finite = track.values[np.isfinite(track.values)]
    if known is None or not len(finite):
        return
    median = float(np.median(finite))
    if known.low <= median <= known.high:
        return
    factor, summand = column.scale
    said = (median - summand) / factor
    for unit, (other, more) in {known.unit: (1.0, 0.0), **known.others}.items():
        if known.low <= said * other + more <= known.high:
            raise AffectlineError(
                f"--file {path}: {track.signal} around {said:g} cannot be {column.unit}",
                f"it looks like {unit}: say so with --column, or give the signal another name",
            )


def _read(path: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows; blank lines are none."""
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


def _time(cell: str, unit: str) -> int | None:
    """A cell's time in ns; None where it holds none."""
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


def _time_words(unit: str) -> str:
    return "dates as in 2026-01-31T12:00:00.5+01:00" if unit == "iso" else f"numbers in {unit}"
