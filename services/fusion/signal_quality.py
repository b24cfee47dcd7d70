"""How reliable a signal's deviation from its baseline is, and why not fully."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from affectline.common.wire.biometrics import Samples

QUALITY_WINDOW_S: Final = 10.0
"""A device's quality is averaged over these last seconds: one bad beat must not hide the heart."""


@dataclass(frozen=True)
class SignalDeviation:
    """A signal's deviation from its baseline at one time."""

    deviation: float
    """In standard deviations of the person's own signal (a z-score)."""
    reliability: float
    """0 to 1: freshness times the device's own quality; scales the deviation in the model."""
    quality: float
    """0 to 1: reliability, coverage of the window and maturity of the baseline."""
    reason: str
    """Why the quality is not 1; empty if it is."""
    value: float
    """In the unit of the signal."""
    baseline: float
    """In the same unit."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Further measures of the same signal by name, as deviations; as reliable as ``deviation``."""


@dataclass(frozen=True)
class MissingSignal:
    """A signal without a deviation at one time."""

    reason: str


class SignalQuality:
    """How a device, or its driver, has recently rated its own samples."""

    def __init__(self) -> None:
        self._ratings: deque[tuple[float, float, int, str]] = deque()
        """Time, quality, number of samples and reason of each message."""

    def add_rating(self, samples: Samples, at_s: float) -> None:
        """Add a message's quality and reason."""
        self._ratings.append((at_s, samples.quality, len(samples.values), samples.reason))
        while self._ratings[0][0] < at_s - QUALITY_WINDOW_S:
            self._ratings.popleft()

    @property
    def quality(self) -> float:
        """Mean quality of the last samples, 0 to 1; 1 before any."""
        count = sum(n for _, _, n, _ in self._ratings)
        return sum(quality * n for _, quality, n, _ in self._ratings) / count if count else 1.0

    @property
    def reason(self) -> str:
        """The newest reason why the quality is not 1; empty without one."""
        return next((reason for *_, reason in reversed(self._ratings) if reason), "")


def freshness(age_s: float, fresh_s: float, stale_s: float) -> float:
    """Return 1 up to an age of ``fresh_s``, falling linearly to 0 at ``stale_s``."""
    return max(0.0, min(1.0, (stale_s - age_s) / (stale_s - fresh_s)))


def explain_quality(
    reliability: float, coverage: float, maturity: float, device_reason: str
) -> str:
    """Return the main reason why a quality is not 1; empty if there is none."""
    if device_reason:
        return device_reason
    if reliability < 1:
        return "the last value is old, or the device rates its quality low"
    if maturity < 1:
        return "baseline too short"
    return "gaps between the beats" if coverage < 0.9 else ""
