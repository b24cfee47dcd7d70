"""Memory and descriptors of running processes, and the CPU time of other work meanwhile."""

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.environment import cpu_busy_s, own_cpu_s
from tests.chaos.results import Footprint

PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def measure(pids: Iterable[int]) -> Footprint:
    """Return what the processes hold together; a process that has ended holds nothing."""
    memory = descriptors = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
            memory += int(found[1]) if found else 0
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Footprint(memory_mb=memory * 1024 / 1e6, descriptors=descriptors)


class OtherWork:
    """Measures how many cores are busy with other work, from now on."""

    def __init__(self) -> None:
        self._started, self._busy_s, self._own_s = time.monotonic(), cpu_busy_s(), own_cpu_s()

    def cores(self) -> float:
        """Return the average number of such cores."""
        busy_s = cpu_busy_s() - self._busy_s - (own_cpu_s() - self._own_s)
        return max(0.0, busy_s / (time.monotonic() - self._started))
