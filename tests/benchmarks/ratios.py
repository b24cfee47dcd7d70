"""Ratios of two programs that ran in turns, and whether they differ by more than chance."""

import math
import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t for 95 % of both sides, by degrees of freedom from 1."""
_LEAST_DEVIATION: Final = 0.004
"""Of a logarithm: runs of one program never agree better for long."""
SAME: Final = "no difference measurable"


class Ratio(NamedTuple):
    """Values of one program in those of another, pair by pair."""

    median: float
    low: float
    high: float
    """The interval that holds the true ratio with a confidence of 95 %."""
    n: int

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1."""
        return self.low > 1 or self.high < 1


def compare_pairs(
    ours: Sequence[float], theirs: Sequence[float], grain: float = 0.0
) -> Ratio | None:
    """Compare two programs by the pairs of their runs.

    The mean of the logarithms of the ratios has a Student's t distribution, if each round disturbs
    both programs alike and the rounds differ by chance.

    Args:
        ours: Values of one program, round by round.
        theirs: Those of the other one in the same rounds.
        grain: Steps in which values are measured; a few equal ones do not prove that they are
            known better.

    Returns:
        Their ratio; None: there are fewer than two pairs of positive values.
    """
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=False) if a > 0 and b > 0]
    if len(logs) < 2:
        return None
    middle, n = statistics.mean(logs), len(logs)
    step = grain * math.sqrt(2) / statistics.mean([*ours, *theirs])
    deviation = max(statistics.stdev(logs), step, _LEAST_DEVIATION)
    half = _T[min(n - 2, len(_T) - 1)] * deviation / math.sqrt(n)
    return Ratio(
        math.exp(statistics.median(logs)), math.exp(middle - half), math.exp(middle + half), n
    )


def describe_ratio(ratio: Ratio | None) -> str:
    """The ratio in words, with its interval."""
    if ratio is None:
        return "not measured"
    interval = f"{ratio.median:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
    if not ratio.differs:
        return f"{interval}, {SAME}"
    percent = abs(ratio.median - 1)
    return f"{interval}, {percent:.1%} {'more' if ratio.median > 1 else 'less'}"
