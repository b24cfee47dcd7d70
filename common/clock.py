"""What time it is, in nanoseconds since the Unix epoch."""

import os
import time
from collections.abc import Callable
from typing import Final

SKEW_VARIABLE: Final = "AFFECTLINE_CLOCK_SKEW_MS"
"""Makes this process' clock wrong by so many milliseconds: to try out what wrong clocks do."""


def _source() -> Callable[[], int]:
    skew = round(float(os.environ.get(SKEW_VARIABLE, "0")) * 1e6)
    return (lambda: time.time_ns() + skew) if skew else time.time_ns


now_ns = _source()
"""Every timestamp of the pipeline comes from here; for other hosts see
`common.runtime.clock_sync`."""
monotonic = time.monotonic
"""Seconds for intervals; never set back."""
monotonic_ns = time.monotonic_ns
"""The same in nanoseconds: what waiting is measured by."""
