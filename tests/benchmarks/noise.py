"""How much else the machine did while something was measured, and whether that was too much.

A part of the benchmarks is measured between two calibrations: a fixed computation that should
always take the same time. If it does not, if other programs were busy, or if the host gave the
cores to other guests, a figure of the part does not show that a target was missed.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import psutil

from tests.benchmarks.environment import cpu_busy_s, own_cpu_s
from tests.benchmarks.results import Noise

DISTURBED_CORES: Final = 0.25
"""Cores busy with other work, above which a measurement proves little."""
STOLEN_PERCENT: Final = 5.0
"""Part of the cores' time that the host gave to other guests, above which it proves little."""
DRIFT_PERCENT: Final = 15.0
"""By how much the calibration beside a part may be slower than the fastest one of the run."""
_TURNS: Final = 31
_SIDE: Final = 384


class Reading(NamedTuple):
    """The machine's counters at one moment."""

    at_s: float
    busy_s: float
    own_s: float
    """CPU seconds of this process and all that it has started."""
    stolen_s: float
    total_s: float
    """Seconds of all cores together, idle or not."""


class Calibration:
    """A fixed computation: products of 8-bit integers, and sums of them, by numpy on one core."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self._left = draw.integers(-128, 128, (_SIDE, _SIDE), np.int8).astype(np.int16)
        self._right = draw.integers(-128, 128, (_SIDE, _SIDE), np.int8).astype(np.int16)

    def time_ms(self, turns: int = _TURNS) -> float:
        """Wall time of the computation, in ms: the lower quartile of a few turns.

        What disturbs for a moment only does not change it; a core that is shared or slow does.
        """
        durations = []
        for _ in range(turns):
            started = time.perf_counter()
            for row in range(0, _SIDE, 4):
                (self._left * self._right[row]).sum(dtype=np.int32)
            durations.append((time.perf_counter() - started) * 1e3)
        return sorted(durations)[len(durations) // 4]


class NoiseMeter:
    """Measures what disturbs each part of a run.

    Args:
        time_calibration: Wall milliseconds of a fixed computation.
        read: The machine's counters.
    """

    def __init__(
        self,
        time_calibration: Callable[[], float] | None = None,
        read: "Callable[[], Reading] | None" = None,
    ) -> None:
        self._time_calibration = time_calibration or Calibration().time_ms
        self._read = read or read_counters
        self._calibrations: dict[str, tuple[float, float]] = {}
        self._parts: dict[str, Noise] = {}
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Observe a part of the run while this lasts."""
        before = self._time_calibration()
        first = self._read()
        try:
            yield
        finally:
            last = self._read()
            self._calibrations[name] = before, self._time_calibration()
            self._parts[name] = compare_readings(first, last)
            self._seconds[name] = last.at_s - first.at_s

    def noise(self) -> dict[str, Noise]:
        """What disturbed each part so far, its calibrations beside the fastest of all."""
        fastest = min((min(pair) for pair in self._calibrations.values()), default=1.0)
        return {
            name: one.model_copy(
                update={"drift_percent": 100 * (max(self._calibrations[name]) / fastest - 1)}
            )
            for name, one in self._parts.items()
        }

    def seconds(self) -> dict[str, float]:
        """How long each part took."""
        return dict(self._seconds)


def compare_readings(first: Reading, last: Reading) -> Noise:
    """What the machine did between two readings, besides what this process has started."""
    seconds = max(1e-9, last.at_s - first.at_s)
    others = last.busy_s - first.busy_s - (last.own_s - first.own_s)
    total = max(1e-9, last.total_s - first.total_s)
    return Noise(
        other_cores=max(0.0, others / seconds),
        stolen_percent=100 * (last.stolen_s - first.stolen_s) / total,
    )


def read_counters() -> Reading:
    """Read the machine's counters."""
    times = psutil.cpu_times()
    return Reading(
        time.monotonic(), cpu_busy_s(), own_cpu_s(), getattr(times, "steal", 0.0), sum(times)
    )


def explain_noise(noise: Noise | None) -> str:
    """Why a part proves little; empty where it was quiet, or was not observed."""
    if noise is None:
        return ""
    reasons = []
    if noise.other_cores > DISTURBED_CORES:
        reasons.append(f"{noise.other_cores:.2f} cores were busy with other work")
    if noise.stolen_percent > STOLEN_PERCENT:
        reasons.append(f"{noise.stolen_percent:.0f} % of the cores' time went to other guests")
    if noise.drift_percent > DRIFT_PERCENT:
        reasons.append(f"a fixed computation took {noise.drift_percent:.0f} % longer than at best")
    return ", ".join(reasons)
