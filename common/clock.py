"""The current time, in nanoseconds since the Unix epoch."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

SKEW_VARIABLE: Final = "AFFECTLINE_CLOCK_SKEW_MS"
"""Shifts this process's clock by this many milliseconds, to test wrong clocks."""
SKEW_FILE_VARIABLE: Final = "AFFECTLINE_CLOCK_SKEW_FILE"
"""The same, from a file that is read at every call: to test that the clock is set while a pipeline
runs, without setting the machine's."""


def _source() -> Callable[[], int]:
    skew = round(float(os.environ.get(SKEW_VARIABLE, "0")) * 1e6)
    file = os.environ.get(SKEW_FILE_VARIABLE)
    if file:
        return _source_from_file(Path(file), skew)
    return (lambda: time.time_ns() + skew) if skew else time.time_ns


def _source_from_file(file: Path, skew_ns: int) -> Callable[[], int]:
    latest = 0

    def now() -> int:
        nonlocal latest
        with suppress(OSError, ValueError, OverflowError):  # keep the last value
            latest = round(float(file.read_text()) * 1e6)
        return time.time_ns() + skew_ns + latest

    return now


now_ns = _source()
"""The source of all timestamps of the pipeline; for other hosts see
`common.runtime.clock_sync`."""
monotonic = time.monotonic
"""Seconds for intervals; never set back."""
monotonic_ns = time.monotonic_ns
"""The same in nanoseconds, to measure waiting times."""


def elapsed_ns() -> int:
    """Elapsed nanoseconds, by a clock that is never set and continues in standby."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


STEP_NS: Final = 50_000_000
"""A clock that moves away from another one by more than this at once was set."""
COMPARE_NS: Final = 1_000_000_000
"""Interval at which two clocks are compared."""
AT_ONCE_NS: Final = 5_000_000
"""Two clocks must be read within this time; otherwise the process was interrupted in between."""


class ClockStep(NamedTuple):
    """A change of a clock that was set."""

    before: int
    """The time that it would have shown, in ns since the Unix epoch."""
    after: int
    """The time that it showed instead, in ns since the Unix epoch."""

    @property
    def by_ns(self) -> int:
        """The size of the change in ns: positive forward, negative back."""
        return self.after - self.before


class ClockWatch:
    """Detects that a clock was set, by comparing it with one that never is.

    NTP steers a clock by at most 0.5 ms per second, so only a step can make it differ from the
    other by more than `STEP_NS` from one comparison to the next.

    Args:
        clock: Nanoseconds since the Unix epoch.
        elapsed: Nanoseconds by a clock that is never set.
    """

    def __init__(
        self, clock: Callable[[], int] = now_ns, elapsed: Callable[[], int] = elapsed_ns
    ) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._looked_at, self._ahead = self._compare()

    def detect_step(self) -> ClockStep | None:
        """Compare the clocks if that is due; return the change if the clock was set."""
        if self._elapsed() - self._looked_at < COMPARE_NS:
            return None
        elapsed, ahead = self._compare()
        step, self._looked_at, self._ahead = ahead - self._ahead, elapsed, ahead
        if abs(step) <= STEP_NS:
            return None
        return ClockStep(elapsed + ahead - step, elapsed + ahead)

    def _compare(self) -> tuple[int, int]:
        """The elapsed time, and the clock minus that."""
        for _ in range(3):
            before, shown, after = self._elapsed(), self._clock(), self._elapsed()
            if after - before <= AT_ONCE_NS:
                break
        return after, shown - (before + after) // 2
