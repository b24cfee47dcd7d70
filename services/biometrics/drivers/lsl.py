"""Lab Streaming Layer streams, through mne-lsl: numbers become signals, texts become markers."""

import contextlib
import itertools
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field, JsonValue

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import sensor_service, shorten, to_name
from affectline.common.lsl_library import import_lsl
from affectline.common.lsl_time import measure_lsl_offset
from affectline.common.settings.biometrics import SIGNALS, BiometricsSettings, Column, Columns
from affectline.common.stderr import silence_stderr
from affectline.common.wire.biometrics import MOST_RATE
from affectline.services.biometrics.driver import (
    EVENTS,
    WAIT_S,
    Clock,
    DeviceGone,
    Driver,
    Event,
    Reading,
    missing_package,
)
from affectline.services.biometrics.file_playback import (
    LATEST_PLAYED,
    RecordedSignal,
    Times,
    Values,
    make_monotonic,
)
from affectline.services.biometrics.validation import NS

SEARCH_S: Final = 1.0
MOST_STREAMS: Final = 1000
"""A search for this many streams does not end at the first one: others may answer later."""
OPEN_S: Final = 5.0
MAX_CHUNK: Final = 4096
SEARCH_PAUSE_S: Final = 0.5
"""The pause between searches: what a program sends before it is found is lost."""
SILENT_S: Final = 10.0
IRREGULAR_SILENT_S: Final = 60.0
"""A stream that sends nothing for this long is searched for again: nothing else reveals a lost
network connection."""
LONGEST_LABEL: Final = 1000
"""The most characters of a marker's label; the rest is left out."""
LONGEST_FIELDS: Final = 8000
"""The most characters of a marker's other fields with their names; the rest is left out."""
LONGEST_NAME: Final = 200
"""The most characters of a stream's name in messages and logs."""
RATE_RANGE: Final = (0.001, MOST_RATE)
OWN_PREFIX: Final = "affectline-"
"""Prefix of the names of our own outlets (`affectline.services.lsl.outlet`)."""
CHANNEL_NAMES: Final = {
    "heart_rate": "heartrate|hr|bpm|pulse",
    "rr_interval": "rrinterval|rr|rri|ibi|ppi",
    "skin_conductance": "skinconductance|eda|gsr|scl|electrodermalactivity",
    "ppg": "ppg|bvp",
    "ecg": "ecg|ekg",
    "temperature": "temperature|temp",
    "acceleration_x": "accelerationx|accx|accelx",
    "acceleration_y": "accelerationy|accy|accely",
    "acceleration_z": "accelerationz|accz|accelz",
}
"""Names of channels and streams, as regular expressions on their lower-case letters."""
USUAL_UNITS: Final = {
    "microsiemens": "uS", "millivolts": "mV", "microvolts": "uV",
    "volts": "V", "milliseconds": "ms", "seconds": "s", "celsius": "Cel", "beats/min": "bpm",
}  # fmt: skip
"""Long unit names that streams use, in lower case."""


def load_lsl() -> Any:
    """Import mne-lsl.

    Raises:
        AffectlineError: mne-lsl is not installed.
    """
    try:
        return import_lsl()
    except ImportError as error:
        raise missing_package("lsl", error) from error


class LslSettings(BiometricsSettings):
    """One stream; without name, type and source ID the only one available.

    A stream of numbers becomes a signal. A stream of texts, or of whole numbers with the type
    ``Markers`` (as from PsychoPy, OpenSesame and E-Prime), becomes markers.
    """

    driver: Literal["lsl"] = "lsl"
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of the stream."""
    stream_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Type of the stream, such as ``ECG``."""
    source_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Source ID of the stream, where several have the same name."""
    columns: Columns = Field(default_factory=dict, examples=["0=ecg:uV"])
    """Signal and unit by channel label or by channel number from 0; by default all channels."""

    @property
    def service(self) -> str:
        # By its name, so that one subject may have several streams
        named = to_name(self.name or self.stream_type or self.source_id or "")
        if not named:
            return super().service
        before = "lsl-"
        return sensor_service(self.subject, before + shorten(named, 64 - len(before)))


class Wanted(NamedTuple):
    """Which stream to search for; None: any."""

    name: str | None = None
    stream_type: str | None = None
    source_id: str | None = None

    def most_specific(self) -> tuple[str | None, str | None, str | None]:
        """One property to search by: a search by several divides its time among them."""
        if self.name:
            return self.name, None, None
        return None, None if self.source_id else self.stream_type, self.source_id

    def fits(self, info: Any) -> bool:
        """Whether a stream is the one that is wanted."""
        of_stream = info.name, info.stype, info.source_id
        return all(mine in (None, theirs) for mine, theirs in zip(self, of_stream, strict=True))

    def __str__(self) -> str:
        words = " of type ".join(filter(None, (self.name or "a stream", self.stream_type)))
        return f"{words} with source ID {self.source_id}" if self.source_id else words


class LslDriver(Driver):
    """A stream of the Lab Streaming Layer.

    Its times are the sender's, plus two corrections. One is the stream's time correction: LSL
    queries the sender's clock every few seconds, like NTP (better than 1 ms in a wired network,
    almost exact on one host). The other is the offset of LSL's local clock from ours
    (`affectline.common.lsl_time`, accurate to microseconds, measured for every chunk).

    Args:
        settings: Which stream to read.
        clock: The clock to use.
        lsl: Replaces ``mne_lsl.lsl`` in tests.
    """

    settings_model = LslSettings
    longest_pause_s = SEARCH_PAUSE_S
    _settings: LslSettings

    def __init__(self, settings: LslSettings, clock: Clock, lsl: Any = None) -> None:
        super().__init__(settings, clock)
        self._lsl = lsl or load_lsl()
        self._wanted = Wanted(settings.name, settings.stream_type, settings.source_id)
        self._was_open = False
        self._inlet: Any = None
        self._uid = ""
        """ID of the outlet: a reopened outlet has a different one."""
        self._correction = 0.0
        """Last known time correction, in s."""

    def open(self) -> None:
        found = self._resolve()
        try:
            # Without recovery, LSL reports a loss to us, and we search for the stream again
            with silence_stderr():
                self._inlet = self._lsl.StreamInlet(found, recover=False)
            self._inlet.open_stream(timeout=OPEN_S)
            info = self._inlet.get_sinfo(timeout=OPEN_S)
            self._correction = self._inlet.time_correction(timeout=OPEN_S)
        except (RuntimeError, TimeoutError) as error:
            raise DeviceGone(f"LSL: {found.name} does not answer: {error}") from error
        where = f"LSL {info.name} ({info.stype}) at {info.hostname}"
        self.device = " ".join(where.split())[:LONGEST_NAME]
        self._was_open = True
        self._rate, self._uid = float(info.sfreq), str(found.uid)
        if not RATE_RANGE[0] <= self._rate <= RATE_RANGE[1]:  # NaN is not
            self._rate = 0.0  # each sample has its own time
        self._last_data = self._clock.monotonic()
        self.only_events = is_said(info.dtype, info.stype)
        # After a loss only this device: another one of the same name measures somebody else. An
        # experiment that starts again may have a new ID
        source_id = self._settings.source_id if self.only_events else info.source_id
        self._wanted = Wanted(info.name or None, info.stype or None, source_id or None)
        self._labels = _one_each(info.get_channel_names(), info.n_channels)
        if self.only_events:
            if info.name.startswith(OWN_PREFIX):
                raise AffectlineError(
                    f"--driver lsl: {info.name} contains Affectline's own markers, which would "
                    f"loop back",
                    "name the stream of another program",
                )
            return
        self._columns = map_channels(
            self._labels, info.get_channel_units(), info.n_channels, info.stype, self._settings,
        )  # fmt: skip

    def read(self) -> list[Reading]:
        try:
            values, stamps = self._inlet.pull_chunk(timeout=WAIT_S, max_samples=MAX_CHUNK)
        except (RuntimeError, TimeoutError) as error:
            raise DeviceGone(f"{self.device} is gone: {error}") from error
        if not len(stamps):
            self._check_silence()
            return []
        if len(values) != len(stamps):
            raise DeviceGone(f"{self.device} gave {len(stamps)} times for {len(values)} samples")
        self._last_data = self._clock.monotonic()
        offset_ns = measure_lsl_offset(self._clock.now, self._lsl.local_clock)
        # The sender may have gone meanwhile: what it has sent is still valid
        with contextlib.suppress(RuntimeError, TimeoutError):
            self._correction = self._inlet.time_correction(timeout=OPEN_S)
        local = stamps + self._correction
        valid = np.abs(local) < LATEST_PLAYED / NS  # NaN is not
        self.counters["invalid"] += int((~valid).sum())
        times = np.round(local[valid] * NS).astype(np.int64) + offset_ns
        if self.only_events:
            return self._read_events(
                times, [row for row, is_good in zip(values, valid, strict=True) if is_good]
            )
        return self._readings(times, np.array(values[valid], np.float64))

    def _check_silence(self) -> None:
        limit_s = SILENT_S if self._rate or self.only_events else IRREGULAR_SILENT_S
        if self._clock.monotonic() - self._last_data <= limit_s:
            return
        if not self.only_events:
            raise DeviceGone(f"{self.device} has been silent for {limit_s:g} s")
        # An experiment may be silent for an hour: check for this very stream, not one of its name
        if not any(
            one.uid == self._uid for least in (1, MOST_STREAMS) for one in self._find(least)
        ):
            raise DeviceGone(f"{self.device} is gone")
        self._last_data = self._clock.monotonic()

    def _read_events(self, times: Times, rows: Sequence[Any]) -> list[Reading]:
        """A stream's events: its first channel is the label, others are the marker's fields."""
        said: list[tuple[int, Event]] = []
        for at, row in zip(times.tolist(), rows, strict=True):
            texts = [str(value).strip() for value in np.atleast_1d(row)]
            if not texts[0]:
                self.counters["invalid"] += 1
                continue
            fields: dict[str, JsonValue] = {}
            room = LONGEST_FIELDS
            for i, text in itertools.islice(enumerate(texts), 1, None):
                name = self._labels[i] or f"channel_{i}"
                room -= len(name) + len(text)
                if room < 0:
                    break
                fields[name] = text
            said.append((at, Event(texts[0][:LONGEST_LABEL], fields)))
        if not said:
            return []
        said.sort(key=lambda one: one[0])
        begin = said[0][0]
        return [
            Reading(
                EVENTS, "1", begin, (1.0,) * len(said), offsets=tuple(at - begin for at, _ in said),
                events=tuple(event for _, event in said),
            )
        ]  # fmt: skip

    def close(self) -> None:
        inlet, self._inlet = self._inlet, None
        del inlet  # dropping the last reference closes it

    def _find(self, least: int = MOST_STREAMS) -> list[Any]:
        """The streams that are wanted; the search ends early once it has found ``least``."""
        wanted = self._wanted
        found = self._lsl.resolve_streams(SEARCH_S, *wanted.most_specific(), least)
        if wanted == Wanted():  # the streams of affectline lsl-outlet are not sensors
            return [one for one in found if not one.name.startswith(OWN_PREFIX)]
        return [one for one in found if wanted.fits(one)]

    def _resolve(self) -> Any:
        found = self._find()
        if not found:
            raise DeviceGone(f"LSL: {self._wanted} was not found{self._others_of_its_name()}")
        if len(found) > 1:
            names = ", ".join(sorted(_describe(one) for one in found))
            if self._was_open:  # a recording goes on without it
                raise DeviceGone(f"LSL: found several streams: {names}")
            raise AffectlineError(
                f"--driver lsl: found several streams: {names}",
                "choose one with --name, --stream-type or --source-id",
            )
        return found[0]

    def _others_of_its_name(self) -> str:
        """Devices that have the name of the lost one, as the end of a sentence."""
        if not self._was_open or self._wanted.source_id == self._settings.source_id:
            return ""
        wanted = self._wanted._replace(source_id=None)
        found = self._lsl.resolve_streams(SEARCH_S, *wanted.most_specific(), MOST_STREAMS)
        others = ", ".join(sorted(_describe(one) for one in found if wanted.fits(one)))
        return f"; {others} is there: choose it with --source-id" if others else ""

    def _readings(self, times: Times, values: Values) -> list[Reading]:
        if not len(times):
            return []
        found = []
        for start, stop in split_at_gaps(times, self._rate) if self._rate else [(0, len(times))]:
            part = times[start:stop]
            if not self._rate:
                part, falls = make_monotonic(part)
                self.counters["reanchored"] += falls
            for channel, column in self._columns.items():
                factor, offset = column.scale
                scaled = values[start:stop, channel] * factor + offset
                recorded = RecordedSignal(
                    column.signal, column.wire_unit, part, scaled, self._rate or None
                )
                found.append(recorded.slice(0, stop - start))
        return found


def _describe(info: Any) -> str:
    source = f", source ID {info.source_id}" if info.source_id else ""
    return f"{info.name} ({info.stype}{source})"


def is_said(dtype: object, stream_type: str) -> bool:
    """Whether a stream sends events instead of measurements: texts, or numbers of triggers."""
    kind = dtype if isinstance(dtype, str) else np.dtype(dtype).kind  # type: ignore[call-overload]
    return kind == "string" or (kind == "i" and "marker" in stream_type.lower())


def split_at_gaps(times: Times, rate: float) -> list[tuple[int, int]]:
    """Split evenly sampled times (ns) at gaps; return the start and end (excluded) of each part.

    A gap is a step that is off by more than half a period. A stream that is faster or slower than
    it declares is split where its times would be off by as much.
    """
    period = NS / rate
    breaks = np.flatnonzero(np.abs(np.diff(times) - period) > period / 2) + 1
    parts = []
    for start, stop in itertools.pairwise([0, *breaks.tolist(), len(times)]):
        begin = start
        while begin < stop:
            off = times[begin:stop] - times[begin] - np.arange(stop - begin) * period
            drifted = np.flatnonzero(np.abs(off) > period / 2)
            end = begin + int(drifted[0]) if len(drifted) else stop
            parts.append((begin, end))
            begin = end
    return parts


def map_channels(
    labels: list[str] | None,
    units: list[str] | None,
    count: int,
    stream_type: str,
    settings: LslSettings,
) -> dict[int, Column]:
    """Map each channel to its signal.

    ``columns`` in the settings selects channels by label or number. Without it every channel is
    read, and its signal follows from its label, or else from the stream's type.

    Raises:
        AffectlineError: ``columns`` names a channel that does not exist.
    """
    labels, units = _one_each(labels, count), _one_each(units, count)
    if settings.columns:
        return {_channel(name, labels): column for name, column in settings.columns.items()}
    found: dict[int, Column] = {}
    taken: set[str] = set()
    for i, label in enumerate(labels):
        signal = (
            recognize_signal(label)
            or recognize_signal(stream_type)
            or to_name(label)
            or f"channel_{i}"
        )
        if signal in taken:
            signal = f"{signal[:58]}_{i}"
        taken.add(signal)
        found[i] = Column(signal=signal, unit=_unit(signal, units[i]))
    return found


def recognize_signal(label: str) -> str | None:
    """The known signal that a label names, or None."""
    plain = re.sub(r"[^a-z]", "", label.lower())
    return next((s for s, names in CHANNEL_NAMES.items() if re.fullmatch(names, plain)), None)


def _one_each(texts: Sequence[object] | None, count: int) -> list[str]:
    """A text for each channel, empty if the stream's description has none."""
    return ([str(text) for text in texts or ()] + [""] * count)[:count]


def _channel(name: str, labels: list[str]) -> int:
    if name in labels:
        return labels.index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    known = ", ".join(filter(None, labels)) or f"numbers from 0 to {len(labels) - 1}"
    raise AffectlineError(f"--column {name}: the stream has no such channel", f"it has {known}")


def _unit(signal: str, given: str) -> str:
    """The unit of a channel; the signal's default if the stream gives none that fits."""
    known = SIGNALS.get(signal)
    unit = USUAL_UNITS.get(given.lower(), given)
    if known is None:
        return unit[:40] or "1"
    return unit if unit in known.others else known.unit
