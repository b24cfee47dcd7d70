"""What time it is, in nanoseconds since the Unix epoch."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

SKEW_VARIABLE: Final = "AFFECTLINE_CLOCK_SKEW_MS"
"""Makes this process' clock wrong by so many milliseconds: to try out what wrong clocks do."""
SKEW_FILE_VARIABLE: Final = "AFFECTLINE_CLOCK_SKEW_FILE"
"""The same, from a file that is read whenever the time is asked for: to try out what happens when
the clock is set while a pipeline runs, without setting that of the machine."""


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
        with suppress(OSError, ValueError, OverflowError):  # else as it was
            latest = round(float(file.read_text()) * 1e6)
        return time.time_ns() + skew_ns + latest

    return now


now_ns = _source()
"""Every timestamp of the pipeline comes from here; for other hosts see
`common.runtime.clock_sync`."""
monotonic = time.monotonic
"""Seconds for intervals; never set back."""
monotonic_ns = time.monotonic_ns
"""The same in nanoseconds: what waiting is measured by."""


def elapsed_ns() -> int:
    """Nanoseconds that have passed, by a clock that is never set and goes on in standby."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


STEP_NS: Final = 50_000_000
"""A clock that leaves another one by more than this at once was set."""
COMPARE_NS: Final = 1_000_000_000
"""How often two clocks are compared."""
AT_ONCE_NS: Final = 5_000_000
"""Two clocks are read within this time, else this process was interrupted in between."""


class ClockStep(NamedTuple):
    """A clock that was set."""

    before: int
    """What it would have shown, in ns since the Unix epoch."""
    after: int
    """What it showed instead."""

    @property
    def by_ns(self) -> int:
        """By how much it was set: positive forward, negative back."""
        return self.after - self.before


class ClockWatch:
    """Tells when a clock was set, by one that never is.

    A clock that NTP steers runs at most 0.5 ms a second fast or slow, so only a step makes it leave
    the other by more than `STEP_NS` from one look to the next.

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
        """Compare the clocks, if that is due; where one was set, by how much."""
        if self._elapsed() - self._looked_at < COMPARE_NS:
            return None
        elapsed, ahead = self._compare()
        step, self._looked_at, self._ahead = ahead - self._ahead, elapsed, ahead
        if abs(step) <= STEP_NS:
            return None
        return ClockStep(elapsed + ahead - step, elapsed + ahead)

    def _compare(self) -> tuple[int, int]:
        """The elapsed time, and the clock less that."""
        for _ in range(3):
            before, shown, after = self._elapsed(), self._clock(), self._elapsed()
            if after - before <= AT_ONCE_NS:
                break
        return after, shown - (before + after) // 2
