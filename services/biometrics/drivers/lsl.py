"""Any numeric stream of the Lab Streaming Layer, through mne-lsl."""

import itertools
import re
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import to_name
from affectline.common.lsl_time import unix_minus_lsl
from affectline.common.settings.biometrics import SIGNALS, BiometricsSettings, Column
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
    ascending,
)
from affectline.services.biometrics.validation import NS

SEARCH_S: Final = 1.0
OPEN_S: Final = 5.0
MAX_CHUNK: Final = 4096
SILENT_S: Final = 10.0
UNEVEN_SILENT_S: Final = 60.0
"""A stream that says nothing for so long is looked for again: a network that is gone without a
word shows in no other way."""
OWN: Final = "affectline-"
"""How the names of our own outlets begin (`affectline.services.lsl.outlet`)."""
KNOWN: Final = {
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
"""What channels and streams are called, without case, spaces and signs."""
USUAL_UNITS: Final = {
    "microsiemens": "uS", "millivolts": "mV", "microvolts": "uV",
    "volts": "V", "milliseconds": "ms", "seconds": "s", "celsius": "Cel", "beats/min": "bpm",
}  # fmt: skip
"""Long words that streams use for units, in lower case."""


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


class LslDriver(Driver):
    """Reads one stream.

    Times: the sender's times, plus the stream's time correction (LSL asks the sender's clock every
    few seconds, like NTP; better than 1 ms in a wired network, and next to nothing on one host),
    plus the distance of LSL's local clock from ours (`common.lsl_time`, microseconds, looked at
    anew for every chunk).

    Args:
        settings: The stream's ``name`` or ``stream_type``; without both the only one there is.
        clock: What time it is.
        lsl: Stands in for ``mne_lsl.lsl``.
    """

    def __init__(self, settings: BiometricsSettings, clock: Clock, lsl: Any = None) -> None:
        super().__init__()
        self._settings, self._clock = settings, clock
        self._lsl = lsl or load_lsl()
        self._wanted = settings.name, settings.stream_type
        self._inlet: Any = None

    def open(self) -> None:
        found = self._find()
        if found.dtype == "string":
            raise AffectlineError(
                f"--driver lsl: the stream {found.name} is one of texts, not of numbers",
                "choose another one with --name or --stream-type",
            )
        try:
            # Without recovery we hear of a loss, can say so, and look for the stream again
            self._inlet = self._lsl.StreamInlet(found, recover=False)
            self._inlet.open_stream(timeout=OPEN_S)
            about = self._inlet.get_sinfo(timeout=OPEN_S)
            self._inlet.time_correction(timeout=OPEN_S)
        except (RuntimeError, TimeoutError) as error:
            raise DeviceGone(f"LSL: {found.name} does not answer: {error}") from error
        self.device = f"LSL {about.name} ({about.stype}) at {about.hostname}"
        self._wanted = about.name or None, about.stype or None  # the one to look for when lost
        self._rate = float(about.sfreq)
        self._heard = self._clock.monotonic()
        self._columns = name_channels(
            about.get_channel_names(), about.get_channel_units(), about.n_channels,
            about.stype, self._settings,
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
        self._heard = self._clock.monotonic()
        shift = unix_minus_lsl(self._clock.now, self._lsl.local_clock)
        local = stamps + correction
        sane = np.abs(local) < LATEST_PLAYED / NS  # NaN is not
        self.counters["invalid"] += int((~sane).sum())
        times = np.round(local[sane] * NS).astype(np.int64) + shift
        return self._readings(times, np.array(values[sane], np.float64))

    def _check_silence(self) -> None:
        patience_s = SILENT_S if self._rate else UNEVEN_SILENT_S
        if self._clock.monotonic() - self._heard > patience_s:
            raise DeviceGone(f"{self.device} has been silent for {patience_s:g} s")

    def close(self) -> None:
        inlet, self._inlet = self._inlet, None
        del inlet  # the last reference: closes it

    def _find(self) -> Any:
        wanted = self._wanted
        found = self._lsl.resolve_streams(SEARCH_S, *wanted)
        if wanted == (None, None):  # what affectline lsl-outlet says is no sensor
            found = [one for one in found if not one.name.startswith(OWN)]
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
        for start, stop in even_runs(times, self._rate) if self._rate else [(0, len(times))]:
            some = times[start:stop]
            if not self._rate:
                some, falls = ascending(some)
                self.counters["reanchored"] += falls
            for channel, column in self._columns.items():
                factor, summand = column.scale
                scaled = values[start:stop, channel] * factor + summand
                track = RecordedSignal(
                    column.signal, column.wire_unit, some, scaled, self._rate or None
                )
                found.append(track.piece(0, stop - start, 0))
        return found


def even_runs(times: Times, rate: float) -> list[tuple[int, int]]:
    """Where evenly sampled times (ns) go on without a gap: first index and the one behind the last.

    A gap is a step that is wrong by more than half a period.
    """
    period = NS / rate
    breaks = np.flatnonzero(np.abs(np.diff(times) - period) > period / 2) + 1
    edges = [0, *breaks.tolist(), len(times)]
    return list(itertools.pairwise(edges))


def name_channels(
    labels: list[str] | None,
    units: list[str] | None,
    count: int,
    stream_type: str,
    settings: BiometricsSettings,
) -> dict[int, Column]:
    """Which signal each channel is.

    ``columns`` of the settings choose by label or number; without them every channel is taken, and
    its label, or the stream's type, tells the signal.

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
        signal = signal_of(label) or signal_of(stream_type) or to_name(label) or f"channel_{i}"
        if signal in taken:
            signal = f"{signal[:58]}_{i}"
        taken.add(signal)
        found[i] = Column(signal=signal, unit=_unit(signal, units[i]))
    return found


def signal_of(label: str) -> str | None:
    """The well-known signal that a label means."""
    plain = re.sub(r"[^a-z]", "", label.lower())
    return next((s for s, names in KNOWN.items() if re.fullmatch(names, plain)), None)


def _channel(name: str, labels: list[str]) -> int:
    if name in labels:
        return labels.index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    said = ", ".join(filter(None, labels)) or f"numbers from 0 to {len(labels) - 1}"
    raise AffectlineError(f"--column {name}: the stream has no such channel", f"it has {said}")


def _unit(signal: str, said: str) -> str:
    """The unit of a channel; the signal's own where the stream says none that can be one."""
    known = SIGNALS.get(signal)
    unit = USUAL_UNITS.get(said.lower(), said)
    if known is None:
        return unit[:40] or "1"
    return unit if unit in known.others else known.unit
