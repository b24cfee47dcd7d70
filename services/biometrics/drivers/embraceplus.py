"""Empatica EmbracePlus: the raw data that Empatica's care portal exports, as Avro files.

The watch uploads a file about every half hour; the files of a folder are one session. The format is
Empatica's schema ``empatica.format.avro.Session``; its versions scale acceleration differently.
Times are microseconds since the Unix epoch (for peaks nanoseconds). Every sensor has a
``timestampStart`` and a ``samplingFrequency`` in Hz, which is 0 if it measured nothing.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from affectline.common.errors import AffectlineError, first_line
from affectline.common.settings.biometrics import SIGNALS, PlaybackSettings
from affectline.services.biometrics.avro_file import read_records
from affectline.services.biometrics.driver import BUTTON, Clock, missing_package
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    FilePlayback,
    RecordedSignal,
    RecordedSignals,
    Times,
    Values,
    regular_times,
)
from affectline.services.biometrics.validation import NS

US: Final = 1000
"""Nanoseconds in a microsecond."""
MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""
SENSORS: Final = {
    "eda": ("skin_conductance", "uS"),
    "bvp": ("ppg", "1"),
    "temperature": ("temperature", "Cel"),
}
"""Signal and unit of each sensor with one channel; ``bvp`` has an arbitrary unit."""
AXES: Final = "xyz"
RATE_RANGE: Final = (0.001, 100_000)
"""Range of samples a second that a sensor may have."""
MOST_G: Final = 1e6
"""The most g that one count of the accelerometer may be."""
AGAIN: Final = "download it again, or remove it from the folder"


class EmbracePlusSettings(PlaybackSettings):
    """The export of one session."""

    driver: Literal["embraceplus"] = "embraceplus"
    folder: Path
    """Folder with the Avro files of a session from Empatica's export of raw data; or one file."""


class EmbracePlusDriver(FilePlayback):
    """The Avro files of an Empatica EmbracePlus session."""

    settings_model = EmbracePlusSettings
    _settings: EmbracePlusSettings

    def __init__(self, settings: EmbracePlusSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        try:
            import fastavro
        except ImportError as error:
            raise missing_package("embraceplus", error) from error
        self._avro: Any = fastavro

    def load(self) -> RecordedSignals:
        folder = self._settings.folder
        self.device = f"Empatica EmbracePlus export {folder.name}"
        parts: list[list[RecordedSignal]] = []
        peaks: list[int] = []
        for path in find_files(folder):
            data = self._read_raw_data(path)
            parts.append(list(read_sensors(data, path)))
            peaks += _times(data, "systolicPeaks", "peaksTimeNanos", 1, path)
            parts[-1] += _read_tags(data, path)
        parts.sort(key=lambda part: min((int(s.times[0]) for s in part), default=0))
        signals = [*itertools.chain(*parts), *read_intervals(peaks)]
        if all(signal.signal == BUTTON for signal in signals):
            raise AffectlineError(
                f"--folder {folder}: nothing was measured",
                "the files hold no samples of a sensor: was the watch worn?",
            )
        return RecordedSignals(signals, min(int(signal.times[0]) for signal in signals))

    def _read_raw_data(self, path: Path) -> dict[str, Any]:
        """The field ``rawData`` of a file's record.

        Raises:
            AffectlineError: The file is cut off, or not from an EmbracePlus.
        """
        try:
            records = read_records(path, self._avro)
        except OSError as error:
            raise AffectlineError(
                f"--folder: {path} cannot be read ({error.strerror})", "name readable files"
            ) from error
        except ValueError as error:
            raise AffectlineError(
                f"--folder: {path} is not a complete Avro file ({first_line(error)})", AGAIN
            ) from error
        data = records[0].get("rawData") if records and isinstance(records[0], dict) else None
        if len(records) != 1 or not isinstance(data, dict):
            raise AffectlineError(
                f"--folder: {path} is not from an EmbracePlus: it has {len(records)} records, and "
                f"{'no ' if data is None else ''}rawData",
                "remove it; raw data has one record a file, with the field rawData",
            )
        return data


def find_files(folder: Path) -> list[Path]:
    """The Avro files of a session, by name: names end with the Unix time of their start.

    Raises:
        AffectlineError: There are no Avro files.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise AffectlineError(
            f"--folder {folder}: no such folder", "name the folder of the exported Avro files"
        )
    paths = sorted(folder.glob("*.avro"))
    if not paths:
        raise AffectlineError(
            f"--folder {folder}: holds no Avro file",
            "name the folder raw_data/v6 of a participant and day, which has files *.avro",
        )
    return paths


def read_sensors(data: dict[str, Any], path: Path) -> Iterator[RecordedSignal]:
    """The evenly sampled signals of a file.

    Args:
        data: The file's field ``rawData``.
        path: The file, for errors.

    Raises:
        AffectlineError: A sensor has no valid times, or no scale.
    """
    for name, (signal, unit) in SENSORS.items():
        sensor = _part(data, name, path)
        values = _values(sensor, "values", path)
        if len(values):
            yield _regular(signal, unit, *_timing(name, sensor, path), values, path)
    sensor = _part(data, "accelerometer", path)
    if len(_values(sensor, "x", path)):
        start, rate = _timing("accelerometer", sensor, path)
        scale = _scale(sensor, path)
        for axis in AXES:
            counts = _values(sensor, axis, path)
            if len(counts):
                yield _regular(f"acceleration_{axis}", "g", start, rate, counts * scale, path)


def _regular(
    signal: str, unit: str, start: int, rate: float, values: Values, path: Path
) -> RecordedSignal:
    times = regular_times(start, rate, len(values), f"--folder: {path}")
    return RecordedSignal(signal, unit, times, values, rate)


def _part(data: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    """A record in a record: each file has its own schema, which may contain anything."""
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise AffectlineError(f"--folder: {path}: {name} is not a record", AGAIN)
    return found


def _values(sensor: dict[str, Any], name: str, path: Path) -> Values:
    try:
        values = np.asarray(sensor.get(name) or [], np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty((0, 0))
    if values.ndim != 1:
        raise AffectlineError(f"--folder: {path}: {name} holds something other than numbers", AGAIN)
    return values


def _timing(name: str, sensor: dict[str, Any], path: Path) -> tuple[int, float]:
    """When samples begin, in ns since the Unix epoch, and the samples a second."""
    start, rate = sensor.get("timestampStart"), sensor.get("samplingFrequency")
    is_dated = isinstance(start, int) and 0 < start < LATEST_PLAYED // US
    is_rated = isinstance(rate, int | float) and RATE_RANGE[0] <= rate <= RATE_RANGE[1]
    if not (is_dated and is_rated):
        raise AffectlineError(
            f"--folder: {path}: {name} has samples, but timestampStart {str(start)[:40]} and "
            f"samplingFrequency {str(rate)[:40]}",
            f"they should be microseconds since 1970, and Hz; {AGAIN}",
        )
    assert isinstance(start, int)  # noqa: S101 - for the type checker: checked above
    assert isinstance(rate, int | float)  # noqa: S101
    return start * US, float(rate)


def _scale(sensor: dict[str, Any], path: Path) -> float:
    """The value of one count of the accelerometer, in g."""
    params = _part(sensor, "imuParams", path)
    try:
        if params.get("conversionFactor"):  # since version 6.5 of the schema
            scale = float(params["conversionFactor"])
        else:
            physical = params["physicalMax"] - params["physicalMin"]
            scale = float(physical / (params["digitalMax"] - params["digitalMin"]))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        scale = math.inf
    if not abs(scale) < MOST_G:
        raise AffectlineError(
            f"--folder: {path}: the accelerometer's imuParams are {str(params)[:200]}",
            f"they should have a conversionFactor, or digital and physical limits; {AGAIN}",
        )
    return scale


def read_intervals(peaks: list[int]) -> list[RecordedSignal]:
    """The intervals between the pulse's systolic peaks, each at the peak that ends it.

    Peaks further apart than a heart can pause give no interval: some in between were not found.

    Args:
        peaks: The peaks of all files, in ns since the Unix epoch.
    """
    times = np.unique(np.asarray(peaks, np.int64))
    intervals = np.diff(times) / MS
    known = SIGNALS["rr_interval"]
    is_interval = (intervals >= known.low) & (intervals <= known.high)
    if not is_interval.any():
        return []
    return [RecordedSignal("rr_interval", "ms", times[1:][is_interval], intervals[is_interval])]


def _read_tags(data: dict[str, Any], path: Path) -> list[RecordedSignal]:
    """Presses of the watch's button."""
    presses: Times = np.asarray(sorted(_times(data, "tags", "tagsTimeMicros", US, path)), np.int64)
    return [RecordedSignal(BUTTON, "1", presses, np.ones(len(presses)))] if len(presses) else []


def _times(data: dict[str, Any], name: str, field: str, unit: int, path: Path) -> list[int]:
    """Times in ns since the Unix epoch."""
    times = _part(data, name, path).get(field) or []
    if not isinstance(times, list):
        raise AffectlineError(f"--folder: {path}: {field} is not a list", AGAIN)
    for time in times:
        if type(time) is not int or not NS < time * unit < LATEST_PLAYED:
            raise AffectlineError(
                f"--folder: {path}: {field} has the time {str(time)[:40]}",
                f"it is not a date; {AGAIN}",
            )
    return [time * unit for time in times]
