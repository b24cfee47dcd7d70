"""Empatica E4: the folder that its portal exports for a session.

The format is described in the export's own ``info.txt``. Most files begin with a row of start
times (Unix, UTC) and a row of sample rates in Hz, a column each; ``IBI.csv`` has the start time,
then rows of seconds since it and the interval that ended then, also in seconds. ``tags.csv``
has the Unix time of each press of the watch's button.
"""

import math
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import BUTTON
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    FilePlayback,
    PlaybackSettings,
    RecordedSignal,
    make_monotonic,
    regular_times,
)
from affectline.services.biometrics.validation import NS

REGULAR_FILES: Final[dict[str, tuple[tuple[str, str, float], ...]]] = {
    "EDA.csv": (("skin_conductance", "uS", 1.0),),
    "HR.csv": (("heart_rate", "/min", 1.0),),
    "TEMP.csv": (("temperature", "Cel", 1.0),),
    "BVP.csv": (("ppg", "1", 1.0),),
    "ACC.csv": tuple((f"acceleration_{axis}", "g", 1 / 64) for axis in "xyz"),
}
"""Signal, unit, and what one unit of the file is in that unit, for each column."""
INTERVALS_FILE: Final = "IBI.csv"
FILES: Final = (*REGULAR_FILES, INTERVALS_FILE)
TAGS_FILE: Final = "tags.csv"
RATE_RANGE: Final = (0.001, 100_000)
"""Samples a second that a file may have."""


class E4Settings(PlaybackSettings):
    """The export of one session."""

    driver: Literal["e4"] = "e4"
    folder: Path
    """Folder of the unpacked export of a session."""


class E4Driver(FilePlayback):
    """The export folder of an Empatica E4 session."""

    settings_model = E4Settings
    _settings: E4Settings

    def load(self) -> list[RecordedSignal]:
        folder = self._settings.folder
        self.device = f"Empatica E4 export {folder.name}"
        if not folder.is_dir():
            raise AffectlineError(
                f"--folder {folder}: no such folder", "unpack the ZIP file of the session first"
            )
        signals: list[RecordedSignal] = []
        for name in FILES:
            signals += read_file(folder / name, self.counters)
        if not signals:
            raise AffectlineError(
                f"--folder {folder}: holds no measurements of an Empatica E4",
                f"it should have some of {', '.join(FILES)}",
            )
        return [*signals, *_read_tags(folder / TAGS_FILE, signals, self.counters)]


def read_file(path: Path, counters: Counter[str]) -> list[RecordedSignal]:
    """Read one file of an export; returns nothing where it is missing or empty.

    Args:
        path: One of `FILES`.
        counters: ``invalid`` counts cells that hold no number, ``reanchored`` times that fall.

    Raises:
        AffectlineError: It cannot be read, or does not begin as it should.
    """
    if not path.is_file():
        return []
    read = _read_intervals if path.name == INTERVALS_FILE else _read_regular
    return read(path, counters)


def _read_regular(path: Path, counters: Counter[str]) -> list[RecordedSignal]:
    rows = _rows(path)
    if len(rows) <= 2:  # the watch makes a file of two rows, or none, where it measured nothing
        return []
    start, rate = _number(rows[0], 0), _number(rows[1], 0)
    if not (_is_time(start) and RATE_RANGE[0] <= rate <= RATE_RANGE[1]):
        raise AffectlineError(
            f"--folder: {path} begins with {rows[0][0]!r} and {rows[1][0]!r}",
            "the first row is the start in Unix time, the second the samples a second; "
            "export the session again, or take the file out",
        )
    times = regular_times(round(start * NS), rate, len(rows) - 2)
    signals = []
    for column, (signal, unit, factor) in enumerate(REGULAR_FILES[path.name]):
        values = np.array([_value(row, column, counters) for row in rows[2:]]) * factor
        signals.append(RecordedSignal(signal, unit, times, values, rate))
    return signals


def _read_intervals(path: Path, counters: Counter[str]) -> list[RecordedSignal]:
    rows = _rows(path)
    if len(rows) <= 1:
        return []
    start = _number(rows[0], 0)
    if not _is_time(start):
        raise AffectlineError(
            f"--folder: {path} begins with {rows[0][0]!r}",
            "the first row is the start in Unix time; export the session again, or take the "
            "file out",
        )
    pairs = [(_number(row, 0), _value(row, 1, counters)) for row in rows[1:]]
    known = [(start + at, value * 1000) for at, value in pairs if _is_time(start + at)]
    counters["invalid"] += len(pairs) - len(known)
    if not known:
        return []
    seconds, intervals = zip(*known, strict=True)
    times, falls = make_monotonic(np.array([round(s * NS) for s in seconds], np.int64))
    counters["reanchored"] += falls
    return [RecordedSignal("rr_interval", "ms", times, np.array(intervals))]


def _read_tags(
    path: Path, measured: list[RecordedSignal], counters: Counter[str]
) -> list[RecordedSignal]:
    """Read the button presses during the measurement; others are counted as ``invalid``."""
    rows = [row for row in (_rows(path) if path.is_file() else []) if any(row)]
    first = min(int(signal.times[0]) for signal in measured)
    last = max(int(signal.times[-1]) for signal in measured)
    read = [round(at * NS) for row in rows if _is_time(at := _number(row, 0))]
    times = np.array(sorted(at for at in read if first <= at <= last), np.int64)
    counters["invalid"] += len(rows) - len(times)
    return [RecordedSignal(BUTTON, "1", times, np.ones(len(times)))] if len(times) else []


def _value(row: list[str], column: int, counters: Counter[str]) -> float:
    value = _number(row, column)
    counters["invalid"] += not math.isfinite(value)
    return value


def _rows(path: Path) -> list[list[str]]:
    """The rows of a file, without blank lines at its end."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except OSError as error:
        raise AffectlineError(
            f"--folder: {path} cannot be read ({error.strerror})", "check its permissions"
        ) from error
    return [line.split(",") for line in lines]


def _number(row: list[str], column: int) -> float:
    """The number in a cell, or NaN."""
    try:
        return float(row[column])
    except (ValueError, IndexError):
        return math.nan


def _is_time(seconds: float) -> bool:
    """Whether these are seconds since the Unix epoch that can be played."""
    return 0 <= seconds < LATEST_PLAYED / NS
