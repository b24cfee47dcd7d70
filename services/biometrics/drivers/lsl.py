"""Numeric streams of the Lab Streaming Layer, through mne-lsl."""

import itertools
import re
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import to_name
from affectline.common.lsl_time import measure_lsl_offset
from affectline.common.settings.biometrics import SIGNALS, BiometricsSettings, Column, Columns
from affectline.services.biometrics.driver import (
    WAIT_S,
    Clock,
    DeviceGone,
    Driver,
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
OPEN_S: Final = 5.0
MAX_CHUNK: Final = 4096
SILENT_S: Final = 10.0
IRREGULAR_SILENT_S: Final = 60.0
"""A stream that sends nothing for so long is looked for again: a lost network connection shows in
no other way."""
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
        AffectlineError: It is not installed.
    """
    try:
        from mne_lsl import lsl
    except ImportError as error:
        raise missing_package("lsl", error) from error
    return lsl


class LslSettings(BiometricsSettings):
    """One stream; without name and type the only one there is."""

    driver: Literal["lsl"] = "lsl"
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of the stream."""
    stream_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Type of the stream, such as ``ECG``."""
    columns: Columns = Field(default_factory=dict, examples=["0=ecg:uV"])
    """Signal and unit by channel label, or by channel number from 0; by default all channels."""


class LslDriver(Driver):
    """A numeric stream of the Lab Streaming Layer.

    Times: the sender's times, plus the stream's time correction (LSL asks the sender's clock every
    few seconds, like NTP; better than 1 ms in a wired network, and next to nothing on one host),
    plus the offset of LSL's local clock to ours (`affectline.common.lsl_time`, accurate to
    microseconds, measured for every chunk).

    Args:
        settings: Which stream.
        clock: The time.
        lsl: Replaces ``mne_lsl.lsl`` in tests.
    """

    settings_model = LslSettings
    _settings: LslSettings

    def __init__(self, settings: LslSettings, clock: Clock, lsl: Any = None) -> None:
        super().__init__(settings, clock)
        self._lsl = lsl or load_lsl()
        self._wanted = settings.name, settings.stream_type
        self._inlet: Any = None

    def open(self) -> None:
        found = self._resolve()
        if found.dtype == "string":
            raise AffectlineError(
                f"--driver lsl: the stream {found.name} is one of texts, not of numbers",
                "choose another one with --name or --stream-type",
            )
        try:
            # Without recovery a loss is reported to us, and we look for the stream again
            self._inlet = self._lsl.StreamInlet(found, recover=False)
            self._inlet.open_stream(timeout=OPEN_S)
            info = self._inlet.get_sinfo(timeout=OPEN_S)
            self._inlet.time_correction(timeout=OPEN_S)
        except (RuntimeError, TimeoutError) as error:
            raise DeviceGone(f"LSL: {found.name} does not answer: {error}") from error
        self.device = f"LSL {info.name} ({info.stype}) at {info.hostname}"
        self._wanted = info.name or None, info.stype or None  # the one to look for when lost
        self._rate = float(info.sfreq)
        self._last_data = self._clock.monotonic()
        self._columns = map_channels(
            info.get_channel_names(), info.get_channel_units(), info.n_channels,
            info.stype, self._settings,
        )  # fmt: skip

    def read(self) -> list[Reading]:
        try:
            values, stamps = self._inlet.pull_chunk(timeout=WAIT_S, max_samples=MAX_CHUNK)
            correction = self._inlet.time_correction(timeout=OPEN_S) if len(stamps) else 0.0
        except (RuntimeError, TimeoutError) as error:
            raise DeviceGone(f"{self.device} is gone: {error}") from error
        if not len(stamps):
            self._check_silence()
            return []
        self._last_data = self._clock.monotonic()
        offset_ns = measure_lsl_offset(self._clock.now, self._lsl.local_clock)
        local = stamps + correction
        valid = np.abs(local) < LATEST_PLAYED / NS  # NaN is not
        self.counters["invalid"] += int((~valid).sum())
        times = np.round(local[valid] * NS).astype(np.int64) + offset_ns
        return self._readings(times, np.array(values[valid], np.float64))

    def _check_silence(self) -> None:
        limit_s = SILENT_S if self._rate else IRREGULAR_SILENT_S
        if self._clock.monotonic() - self._last_data > limit_s:
            raise DeviceGone(f"{self.device} has been silent for {limit_s:g} s")

    def close(self) -> None:
        inlet, self._inlet = self._inlet, None
        del inlet  # the last reference: closes it

    def _resolve(self) -> Any:
        wanted = self._wanted
        found = self._lsl.resolve_streams(SEARCH_S, *wanted)
        if wanted == (None, None):  # the streams of affectline lsl-outlet are no sensors
            found = [one for one in found if not one.name.startswith(OWN_PREFIX)]
        if not found:
            words = " of type ".join(filter(None, (wanted[0] or "a stream", wanted[1])))
            raise DeviceGone(f"LSL: {words} was not found")
        if len(found) > 1 and wanted == (None, None):
            names = ", ".join(sorted(f"{one.name} ({one.stype})" for one in found))
            raise AffectlineError(
                f"--driver lsl: there are several streams: {names}", "choose one with --name"
            )
        return found[0]

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


def split_at_gaps(times: Times, rate: float) -> list[tuple[int, int]]:
    """Split evenly sampled times (ns) at gaps: first index and the one behind the last.

    A gap is a step that is wrong by more than half a period.
    """
    period = NS / rate
    breaks = np.flatnonzero(np.abs(np.diff(times) - period) > period / 2) + 1
    edges = [0, *breaks.tolist(), len(times)]
    return list(itertools.pairwise(edges))


def map_channels(
    labels: list[str] | None,
    units: list[str] | None,
    count: int,
    stream_type: str,
    settings: LslSettings,
) -> dict[int, Column]:
    """Map each channel to its signal.

    ``columns`` of the settings choose by label or number; without them every channel is read, and
    its signal follows from its label, or else from the stream's type.

    Raises:
        AffectlineError: ``columns`` names a channel that is not there.
    """
    labels = list(labels or [""] * count)
    units = [str(unit) for unit in units or [""] * count]
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


def _channel(name: str, labels: list[str]) -> int:
    if name in labels:
        return labels.index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    known = ", ".join(filter(None, labels)) or f"numbers from 0 to {len(labels) - 1}"
    raise AffectlineError(f"--column {name}: the stream has no such channel", f"it has {known}")


def _unit(signal: str, given: str) -> str:
    """The unit of a channel; the signal's default where the stream gives none that fits."""
    known = SIGNALS.get(signal)
    unit = USUAL_UNITS.get(given.lower(), given)
    if known is None:
        return unit[:40] or "1"
    return unit if unit in known.others else known.unit
