"""Heart rate variability and skin conductance of a session or a part of it, with NeuroKit2.

These figures cover whole stretches and are computed afterwards; the live estimates are in
`services.fusion`. Heart rate variability follows Task Force of the ESC and the NASPE (1996), Heart
rate variability, Circulation 93. Skin conductance is cleaned and decomposed with NeuroKit2's
default methods (a low-pass filter at 3 Hz from 7 Hz on, a high-pass filter at 0.05 Hz; Makowski et
al. 2021, Behavior Research Methods 53).
"""

import math
import warnings
from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.extras import require_extra
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import USABLE_QUALITY, Samples, sample_times
from affectline.common.wire.messages import StreamStart
from affectline.services.sessions.even_grid import put_on_grid
from affectline.services.sessions.face_measures import Window

NEEDED_BEATS: Final = 30
"""Minimum number of beats for SDNN and pNN50: half a minute."""
NEEDED_S: Final = 120.0
"""Minimum seconds of beats in one stretch for LF/HF: the Task Force asks for two minutes for LF.
Several such stretches are averaged, weighted by duration."""
LARGEST_GAP_S: Final = 3.0
"""A longer gap between beats ends a stretch: HF begins at 0.15 Hz, a wave of 6.7 s."""
NEEDED_SKIN_S: Final = 15.0
"""Minimum seconds of skin conductance for the decomposition."""
SHORTEST_RATE: Final = 2.0
"""Minimum rate of skin conductance in Hz: skin responses take a second or more, and slower signals
do not show them."""
PLAUSIBLE_MS: Final = (300.0, 2000.0)
"""Plausible RR intervals of people: 30 to 200 beats a minute."""
LARGEST_STEP: Final = 0.2
"""An interval that differs from the median of its neighbours by more than a fifth is an artefact or
an extra beat (Malik et al. 1989), and is rejected."""
LARGEST_DELAY: Final = 0.5
"""If a beat is later than its interval by more than this share of it, beats are missing."""
SMALLEST_GAP_S: Final = 0.1
"""Minimum duration of a rejected interval."""
WAVES: Final = {"ecg": 100.0, "ppg": 50.0}
"""Waves used without RR intervals, the better one first, and the minimum rate in Hz for measuring
intervals with them: the Task Force asks for at least 100 Hz for an ECG."""
NEEDED_WAVE_S: Final = 10.0
"""Minimum seconds of a wave without a gap for finding beats."""
USED: Final = frozenset({"rr_interval", "skin_conductance", *WAVES})
"""Signals used for the features."""
FEATURES: Final = (
    "hrv_beats", "hrv_rejected", "hrv_sdnn_ms", "hrv_rmssd_ms", "hrv_pnn50", "hrv_lf_ms2",
    "hrv_hf_ms2", "hrv_lf_hf", "eda_seconds", "eda_tonic_us", "eda_tonic_slope_us_min",
    "eda_phasic_sd_us", "scr_per_min", "scr_amplitude_us",
)  # fmt: skip
"""Names of the features; their units are ms, ms^2, shares, microsiemens, and per minute."""


class TimedValues(NamedTuple):
    """A signal."""

    times_s: NDArray[np.float64]
    """``(N,)``, in s of the session."""
    values: NDArray[np.float64]
    """``(N,)``: RR intervals in ms, skin conductance in microsiemens."""


class CollectedSignals:
    """The signals of each person that the features need, collected from messages."""

    def __init__(self, zero: int | None = None) -> None:
        self._zero = zero
        self._times: dict[tuple[str, str], array[float]] = {}
        self._values: dict[tuple[str, str], array[float]] = {}

    def add(self, message: Message) -> None:
        """Keep the samples of a message; a stream's start message can set the session's start."""
        if isinstance(message, StreamStart) and self._zero is None:
            self._zero = message.session_start
        if not isinstance(message, Samples) or message.signal not in USED:
            return
        if message.quality < USABLE_QUALITY:
            return
        self._zero = message.at if self._zero is None else self._zero
        key = message.subject, message.signal
        seconds = [(at - self._zero) / 1e9 for at in sample_times(message)]
        self._times.setdefault(key, array("d")).extend(seconds)
        self._values.setdefault(key, array("d")).extend(message.values)

    @property
    def subjects(self) -> list[str]:
        """Subjects with at least one signal."""
        return list(dict.fromkeys(subject for subject, _ in self._times))

    def of(self, subject: str) -> dict[str, TimedValues]:
        """The signals of a person, by name."""
        return {
            signal: TimedValues(
                np.array(self._times[who, signal]), np.array(self._values[who, signal])
            )
            for who, signal in self._times
            if who == subject
        }


def offline_features(
    signals: Mapping[str, TimedValues],
    window: Window = Window(),  # noqa: B008 - it is frozen
) -> dict[str, float | None]:
    """Compute the features of one person.

    Args:
        signals: By name: ``rr_interval`` in ms, ``skin_conductance`` in microsiemens; without RR
            intervals, an ``ecg`` or ``ppg``, in which NeuroKit2 finds the beats. Other signals are
            not used; a heart rate alone has no variability.
        window: The part of the session that counts.

    Returns:
        `FEATURES`; None with too little data, as ``hrv_beats`` and ``eda_seconds`` show.

    Raises:
        AffectlineError: NeuroKit2 is not installed.
    """
    require_extra("heart rate variability", "offline", "neurokit2")
    kept = {name: _within(one, window) for name, one in signals.items()}
    features: dict[str, float | None] = dict.fromkeys(FEATURES)
    intervals = _intervals(kept)
    if intervals is not None:
        features |= _variability(intervals)
    if "skin_conductance" in kept:
        features |= _skin(kept["skin_conductance"])
    return {name: _rounded(value) for name, value in features.items()}


def _within(one: TimedValues, window: Window) -> TimedValues:
    inside = np.array([window.holds(float(at)) for at in one.times_s], bool)
    finite = inside & np.isfinite(one.values)
    order = np.argsort(one.times_s[finite], kind="stable")
    return TimedValues(one.times_s[finite][order], one.values[finite][order])


def _intervals(signals: Mapping[str, TimedValues]) -> TimedValues | None:
    """The RR intervals, measured or derived from a wave; None if there are none."""
    measured = signals.get("rr_interval")
    if measured is not None and len(measured.values):
        return measured
    for signal, least_rate in WAVES.items():
        found = (
            _intervals_of_wave(signal, signals[signal], least_rate) if signal in signals else None
        )
        if found is not None:
            return found
    return measured


def _intervals_of_wave(signal: str, wave: TimedValues, least_rate: float) -> TimedValues | None:
    """The intervals between the beats of a wave, but not across gaps."""
    import neurokit2 as nk

    grid = put_on_grid(wave.times_s, wave.values[:, None])
    if grid is None or grid.is_interpolated or grid.rate < least_rate:
        return None
    clean, find = {
        "ecg": (nk.ecg_clean, nk.ecg_findpeaks), "ppg": (nk.ppg_clean, nk.ppg_findpeaks),
    }[signal]  # fmt: skip
    key = {"ecg": "ECG_R_Peaks", "ppg": "PPG_Peaks"}[signal]
    times, values = [np.zeros(0)], [np.zeros(0)]
    for begin, end in _stretches(grid.values[:, 0]):
        if (end - begin) / grid.rate < NEEDED_WAVE_S:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = clean(grid.values[begin:end, 0], sampling_rate=grid.rate)
            peaks = np.asarray(find(cleaned, sampling_rate=grid.rate)[key], np.float64)
        beats_s = grid.start_s + (begin + peaks) / grid.rate
        times.append(beats_s[1:])
        values.append(np.diff(beats_s) * 1000)
    return TimedValues(np.concatenate(times), np.concatenate(values))


def _variability(rr: TimedValues) -> dict[str, float | None]:
    """Figures of the RR intervals, without implausible ones."""
    good = _good_intervals(rr.values)
    values, times = rr.values[good], _beat_times(rr, good)
    found: dict[str, float | None] = {
        "hrv_beats": float(len(values)),
        "hrv_rejected": float(len(good) - len(values)),
    }
    if len(values) < NEEDED_BEATS:
        return found
    import neurokit2 as nk

    beats = {"RRI": values, "RRI_Time": times, "sampling_rate": 1000}
    pairs = int(np.sum(np.abs(np.diff(times) * 1000 - values[1:]) < 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about short stretches, which are not used
        by_time = nk.hrv_time(beats).iloc[0]
        found["hrv_sdnn_ms"] = by_time["HRV_SDNN"]
        if pairs >= NEEDED_BEATS // 2:
            found |= {
                "hrv_rmssd_ms": by_time["HRV_RMSSD"],
                "hrv_pnn50": by_time["HRV_pNN50"] / 100,
            }
        powers = [_powers(values[one], times[one]) for one in _long_stretches(times, values)]
    if powers:
        low, high, seconds = np.array(powers).T
        power_low, power_high = np.average(low, weights=seconds), np.average(high, weights=seconds)
        found |= {
            "hrv_lf_ms2": power_low,
            "hrv_hf_ms2": power_high,
            "hrv_lf_hf": power_low / power_high if power_high else None,
        }
    return found


def _powers(values: NDArray[np.float64], times: NDArray[np.float64]) -> tuple[float, float, float]:
    """LF and HF power of a stretch in ms^2, which unlike shares is comparable, and its seconds."""
    import neurokit2 as nk

    beats = {"RRI": values, "RRI_Time": times, "sampling_rate": 1000}
    spectrum = nk.hrv_frequency(beats, normalize=False).iloc[0]
    return float(spectrum["HRV_LF"]), float(spectrum["HRV_HF"]), float(times[-1] - times[0])


def _long_stretches(times: NDArray[np.float64], values: NDArray[np.float64]) -> list[slice]:
    """Parts of at least `NEEDED_S` without gaps: interpolation would fill gaps with slow waves."""
    gaps = np.diff(times) - values[1:] / 1000
    edges = [0, *(np.flatnonzero(gaps > LARGEST_GAP_S) + 1), len(times)]
    parts = [slice(begin, end) for begin, end in pairwise(edges)]
    return [one for one in parts if values[one].sum() / 1000 >= NEEDED_S]


def _beat_times(rr: TimedValues, good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """When each good interval ends, in s: the intervals are summed up from one gap to the next.

    Chest straps send several intervals at once with delays of tens of ms, so their time stamps
    differ from the sum of the intervals. NeuroKit2 treats every difference above 10 ms as a gap,
    across which it computes no successive difference.
    """
    places = np.flatnonzero(good)
    times = np.empty(len(places))
    for i, place in enumerate(places):
        length = rr.values[place] / 1000
        if i == 0:
            times[i] = rr.times_s[place]
            continue
        passed = rr.times_s[place] - rr.times_s[places[i - 1]]
        times[i] = times[i - 1] + length
        if place != places[i - 1] + 1 or passed > length * (1 + LARGEST_DELAY):
            times[i] = max(times[i] + SMALLEST_GAP_S, rr.times_s[place])
    return times


def _good_intervals(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which intervals are plausible and close to the median of the five around them."""
    if not len(values):
        return np.zeros(0, bool)
    padded = np.pad(values, 2, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    low, high = PLAUSIBLE_MS
    return (values >= low) & (values <= high) & (np.abs(values / around - 1) <= LARGEST_STEP)


def _skin(skin: TimedValues) -> dict[str, float | None]:
    """Tonic level and phasic responses of skin conductance."""
    grid = put_on_grid(skin.times_s, skin.values[:, None])
    if grid is None:
        return {}
    longest = _longest_stretch(grid.values[:, 0])
    seconds = len(longest) / grid.rate
    found: dict[str, float | None] = {"eda_seconds": seconds}
    if seconds < NEEDED_SKIN_S or grid.rate < SHORTEST_RATE:
        return found
    import neurokit2 as nk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rate = grid.rate
        # NeuroKit2's peaks are where the wave turns: without its low-pass filter, noise turns it
        cleaned = nk.eda_clean(longest, sampling_rate=rate)
        parts = nk.eda_phasic(cleaned, sampling_rate=rate)
        tonic, phasic = parts["EDA_Tonic"].to_numpy(), parts["EDA_Phasic"].to_numpy()
        peaks = _find_responses(phasic, rate)
    minutes = np.arange(len(tonic)) / rate / 60
    found |= {
        "eda_tonic_us": float(np.mean(tonic)),
        "eda_tonic_slope_us_min": float(np.polyfit(minutes, tonic, 1)[0]),
        "eda_phasic_sd_us": float(np.std(phasic)),
        "scr_per_min": len(peaks) / (seconds / 60),
        "scr_amplitude_us": float(np.mean(peaks)) if len(peaks) else None,
    }
    return found


def _find_responses(phasic: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Amplitudes of skin conductance responses of at least 0.01 microsiemens."""
    import neurokit2 as nk

    try:
        _, found = nk.eda_peaks(phasic, sampling_rate=rate, method="neurokit")
    except (IndexError, ValueError):  # raised if there is no peak at all
        return np.zeros(0)
    amplitudes = np.asarray(found["SCR_Amplitude"], np.float64)
    return amplitudes[np.isfinite(amplitudes) & (amplitudes >= SMALLEST_US)]


SMALLEST_US: Final = 0.01
"""Boucsein (2012), Electrodermal Activity, 2nd ed., section 2.3.1.2: amplitudes below 0.01
microsiemens are noise."""


def _longest_stretch(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The longest part without a gap."""
    begin, end = max(_stretches(values), key=lambda one: one[1] - one[0], default=(0, 0))
    return values[begin:end]


def _stretches(values: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Begin and end of each part without a gap."""
    is_known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_known, [False])).astype(int)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _rounded(value: Any) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 6)
