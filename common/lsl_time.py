"""Lab Streaming Layer's clock and ours.

LSL's clock counts seconds from an arbitrary start (on most systems the boot) and is never set
back; ours counts nanoseconds since the Unix epoch and may be.
"""

from collections.abc import Callable
from typing import Final

LOOKS: Final = 3


def unix_minus_lsl(now: Callable[[], int], local_clock: Callable[[], float]) -> int:
    """Nanoseconds to add to a time of LSL's local clock to have one since the Unix epoch.

    Looks at one clock before and after the other, and takes the closest of a few looks: half the
    time between them bounds the error, some microseconds on an idle machine.

    Args:
        now: Nanoseconds since the Unix epoch.
        local_clock: ``mne_lsl.lsl.local_clock``: seconds.
    """
    looks = []
    for _ in range(LOOKS):
        before, there, after = now(), local_clock(), now()
        looks.append((after - before, (before + after) // 2 - round(there * 1e9)))
    return min(looks)[1]
