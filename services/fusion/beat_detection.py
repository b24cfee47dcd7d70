"""Beats in a pulse wave or an electrocardiogram, found as the samples come in.

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
"""The buffer's end is left to the next look: filter and averages are not settled there."""
SHORTEST_S: Final = 60.0 / 210.0
"""No beat follows another sooner."""
SLOWEST_RATE: Final = 20.0
"""Samples a second that a wave needs at least."""
RATE_S: Final = 3.0
"""Time stamps of so many seconds tell the rate of a wave that does not say it."""


def can_find_beats() -> bool:
    """Whether SciPy is there."""
    return find_spec("scipy") is not None


def estimate_rate(times_s: list[float]) -> float | None:
    """Samples a second of a wave by the stamps of its samples; None where they are too few.

    Stamps are often rounded to milliseconds, and samples missing: the mean of the usual steps.
    """
    if len(times_s) < 3 or times_s[-1] - times_s[0] < RATE_S:
        return None
    steps = np.diff(times_s)
    usual = steps[(steps > 0) & (steps < 1.9 * np.median(steps))]
    return float(1 / usual.mean()) if len(usual) else None


@dataclass(frozen=True)
class WaveKind:
    """Where to look: constants of Elgendi's papers."""

    band_hz: tuple[float, float]
    beat_s: float
    """Window about as long as a systolic peak or a QRS complex."""
    cycle_s: float
    """Window about as long as one heart beat."""
    offset: float
    """Share of the mean energy that a block must exceed the cycle's average by."""
    upright: bool
    """Only the positive half of the wave counts."""


PULSE: Final = WaveKind((0.5, 8.0), 0.111, 0.667, 0.02, upright=True)
ELECTRO: Final = WaveKind((8.0, 20.0), 0.097, 0.611, 0.08, upright=False)


def find_beats(wave: NDArray[np.float64], rate: float, kind: WaveKind) -> NDArray[np.int64]:
    """Find the beats of a stretch of wave.

    Args:
        wave: ``(N,) float64``, evenly sampled, at least three seconds.
        rate: Samples a second.
        kind: Pulse wave or electrocardiogram.

    Returns:
        Indices of the peaks, ascending.
    """
    # Heavy, and only waves need it: most devices find the beats themselves.
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, sosfiltfilt

    high = min(kind.band_hz[1], 0.45 * rate)
    sections = butter(
        3 if kind.upright else 1, (kind.band_hz[0], high), "bandpass", fs=rate, output="sos"
    )
    filtered = sosfiltfilt(sections, wave - wave.mean())
    energy = (np.maximum(filtered, 0) if kind.upright else filtered) ** 2
    beat = uniform_filter1d(energy, max(1, round(kind.beat_s * rate)))
    cycle = uniform_filter1d(energy, max(1, round(kind.cycle_s * rate)))
    blocks = beat > cycle + kind.offset * energy.mean()
    edges = np.flatnonzero(np.diff(blocks.astype(np.int8), prepend=0, append=0))
    peaks: list[int] = []
    for start, end in edges.reshape(-1, 2):
        if end - start < kind.beat_s * rate:
            continue
        strength = filtered[start:end] if kind.upright else np.abs(filtered[start:end])
        peak = int(start + np.argmax(strength))
        if not peaks or peak - peaks[-1] > SHORTEST_S * rate:
            peaks.append(peak)
    return np.array(peaks, dtype=np.int64)


class BeatFinder:
    """Finds beats about a second after they happened.

    Args:
        kind: What the samples are of.
        rate: Samples a second.
    """

    def __init__(self, kind: WaveKind, rate: float) -> None:
        self.rate = rate
        self._kind = kind
        size = round(BUFFER_S * rate)
        self._values: deque[float] = deque(maxlen=size)
        self._hop = max(1, round(HOP_S * rate))
        self._new = 0
        self._newest_s: float | None = None
        self._last_beat_s = -np.inf

    def add(self, at_s: float, value: float) -> list[float]:
        """Take in a sample; return the times of the beats that are certain now, in seconds."""
        if not np.isfinite(value):
            return []
        if self._newest_s is not None and at_s - self._newest_s > 0.5:
            self._values.clear()  # a gap: the filter must not see a step
        self._newest_s = at_s
        self._values.append(value)
        self._new += 1
        if self._new < self._hop or len(self._values) < 4 * self.rate:
            return []
        self._new = 0
        return self._look(at_s)

    def _look(self, at_s: float) -> list[float]:
        wave = np.array(self._values)
        if np.ptp(wave) == 0:
            return []
        start_s = at_s - (len(wave) - 1) / self.rate
        times = [
            start_s + _refine(wave, int(i)) / self.rate
            for i in find_beats(wave, self.rate, self._kind)
        ]
        certain = [t for t in times if self._last_beat_s + SHORTEST_S < t <= at_s - MARGIN_S]
        if certain:
            self._last_beat_s = certain[-1]
        return certain


def _refine(wave: NDArray[np.float64], i: int) -> float:
    """The top of the parabola through a peak and its neighbours, in samples."""
    if not 0 < i < len(wave) - 1:
        return float(i)
    left, middle, right = wave[i - 1 : i + 2]
    bend = left - 2 * middle + right
    return i + float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend else float(i)
