"""The offset between the Lab Streaming Layer's clock and this pipeline's.

LSL's clock counts seconds from an arbitrary start (on most systems the boot) and is never set
back. The pipeline's clock counts nanoseconds since the Unix epoch, and may be set.
"""

from collections.abc import Callable
from typing import Final

ATTEMPTS: Final = 3


def measure_lsl_offset(now: Callable[[], int], local_clock: Callable[[], float]) -> int:
    """Measure what to add to a time of LSL's local clock to get nanoseconds since the Unix epoch.

    Read the pipeline's clock before and after LSL's, and use the attempt with the shortest time
    between: half of that time bounds the error, some microseconds on an idle machine.

    Args:
        now: Nanoseconds since the Unix epoch.
        local_clock: ``mne_lsl.lsl.local_clock``, in seconds.
    """
    attempts = []
    for _ in range(ATTEMPTS):
        before, lsl_s, after = now(), local_clock(), now()
        attempts.append((after - before, (before + after) // 2 - round(lsl_s * 1e9)))
    return min(attempts)[1]
