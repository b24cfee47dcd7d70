"""Detects heart beats in a pulse wave or an electrocardiogram, sample by sample.

Two moving averages of the squared, filtered wave mark the blocks that hold a beat: Elgendi et al.
(2013), PLoS ONE 8(10), for pulse waves; Elgendi et al. (2010), for QRS complexes.
"""

from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import numpy as np
from numpy.typing import NDArray

BUFFER_S: Final = 8.0
HOP_S: Final = 1.0
MARGIN_S: Final = 0.6
"""The end of the buffer is left to the next pass, because filter and averages have not settled."""
REFRACTORY_S: Final = 60.0 / 210.0
"""Shortest interval between two beats."""
MIN_SAMPLING_RATE: Final = 20.0
"""Fewest samples a second with which beats can be detected."""
RATE_ESTIMATION_S: Final = 3.0
"""Seconds of time stamps from which the sampling rate of a wave is estimated if it states none."""


def can_detect_beats() -> bool:
    """Return whether SciPy is installed, which the filters need."""
    return find_spec("scipy") is not None


def estimate_sampling_rate(times_s: list[float]) -> float | None:
    """Estimate a wave's sampling rate in Hz from its time stamps; None while there are too few.

    It is the mean of the steps near the median, because stamps are often rounded to milliseconds,
    and samples may be missing.
    """
    if len(times_s) < 3 or times_s[-1] - times_s[0] < RATE_ESTIMATION_S:
        return None
    steps = np.diff(times_s)
    regular = steps[(steps > 0) & (steps < 1.9 * np.median(steps))]
    return float(1 / regular.mean()) if len(regular) else None


@dataclass(frozen=True)
class WaveformKind:
    """Parameters of the detector for one kind of wave, from Elgendi's papers."""

    band_hz: tuple[float, float]
    beat_window_s: float
    """Moving-average window about as long as a systolic peak or a QRS complex."""
    cycle_window_s: float
    """Moving-average window about as long as one heart beat."""
    offset: float
    """Share of the mean energy by which a block must exceed the cycle's average."""
    positive_only: bool
    """Use only the positive half of the wave."""


PPG: Final = WaveformKind((0.5, 8.0), 0.111, 0.667, 0.02, positive_only=True)
ECG: Final = WaveformKind((8.0, 20.0), 0.097, 0.611, 0.08, positive_only=False)


def detect_beats(wave: NDArray[np.float64], rate: float, kind: WaveformKind) -> list[float]:
    """Detect the beats in a segment of a wave.

    Args:
        wave: ``(N,) float64``, evenly sampled, at least three seconds.
        rate: Samples a second.
        kind: Pulse wave or electrocardiogram.

    Returns:
        Positions of the peaks in samples, ascending.
    """
    # A slow import that only waves need: most devices find the beats themselves
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, sosfiltfilt

    high = min(kind.band_hz[1], 0.45 * rate)
    sections = butter(
        3 if kind.positive_only else 1, (kind.band_hz[0], high), "bandpass", fs=rate, output="sos"
    )
    filtered = sosfiltfilt(sections, wave - wave.mean())
    energy = (np.maximum(filtered, 0) if kind.positive_only else filtered) ** 2
    beat = uniform_filter1d(energy, max(1, round(kind.beat_window_s * rate)))
    cycle = uniform_filter1d(energy, max(1, round(kind.cycle_window_s * rate)))
    blocks = beat > cycle + kind.offset * energy.mean()
    edges = np.flatnonzero(np.diff(blocks.astype(np.int8), prepend=0, append=0))
    peaks: list[int] = []
    for start, end in edges.reshape(-1, 2):
        if end - start < kind.beat_window_s * rate:
            continue
        strength = filtered[start:end] if kind.positive_only else np.abs(filtered[start:end])
        peak = int(start + np.argmax(strength))
        if not peaks or peak - peaks[-1] > REFRACTORY_S * rate:
            peaks.append(peak)
    # A pulse is so flat at its peak that noise of the raw wave would move it
    return [_interpolate_peak(filtered, peak) for peak in peaks]


class BeatDetector:
    """Detects beats causally, about a second after they happen.

    Args:
        kind: Kind of wave of the samples.
        rate: Samples a second.
    """

    def __init__(self, kind: WaveformKind, rate: float) -> None:
        self.rate = rate
        self._kind = kind
        size = round(BUFFER_S * rate)
        self._values: deque[float] = deque(maxlen=size)
        self._hop = max(1, round(HOP_S * rate))
        self._since_detection = 0
        self._newest_s: float | None = None
        self._last_beat_s = -np.inf

    def add(self, at_s: float, value: float) -> list[float]:
        """Add a sample; return the times in seconds of beats that have become certain."""
        if not np.isfinite(value):
            return []
        if self._newest_s is not None and at_s - self._newest_s > 0.5:
            self._values.clear()  # a gap: the filter must not see a step
        self._newest_s = at_s
        self._values.append(value)
        self._since_detection += 1
        if self._since_detection < self._hop or len(self._values) < 4 * self.rate:
            return []
        self._since_detection = 0
        return self._detect(at_s)

    def _detect(self, at_s: float) -> list[float]:
        wave = np.array(self._values)
        if np.ptp(wave) == 0:
            return []
        start_s = at_s - (len(wave) - 1) / self.rate
        times = [start_s + place / self.rate for place in detect_beats(wave, self.rate, self._kind)]
        certain = [t for t in times if self._last_beat_s + REFRACTORY_S < t <= at_s - MARGIN_S]
        if certain:
            self._last_beat_s = certain[-1]
        return certain


def _interpolate_peak(wave: NDArray[np.float64], i: int) -> float:
    """Return the vertex of the parabola through a peak and its neighbours, in samples."""
    if not 0 < i < len(wave) - 1:
        return float(i)
    left, middle, right = wave[i - 1 : i + 2]
    curvature = left - 2 * middle + right
    return (
        i + float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature else float(i)
    )
