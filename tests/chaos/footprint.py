"""What running processes hold, and what other work takes of the machine meanwhile."""

import contextlib
import re
import resource
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from tests.benchmarks.environment import cpu_busy_s
from tests.chaos.results import Footprint

PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def measure(pids: Iterable[int]) -> Footprint:
    """What they hold together; one that has gone holds nothing."""
    memory = descriptors = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
            memory += int(found[1]) if found else 0
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Footprint(memory_mb=memory * 1024 / 1e6, descriptors=descriptors)


class OtherWork:
    """Cores that are busy with what is not ours, from now on."""

    def __init__(self) -> None:
        self._started, self._busy_s, self._own_s = time.monotonic(), cpu_busy_s(), own_cpu_s()

    def cores(self) -> float:
        """How many of them, on average."""
        busy_s = cpu_busy_s() - self._busy_s - (own_cpu_s() - self._own_s)
        return max(0.0, busy_s / (time.monotonic() - self._started))


def own_cpu_s() -> float:
    """CPU seconds of this process and all that it has started, also of those that have gone."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(one.ru_utime + one.ru_stime for one in used)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:4])  # its own, and of its children that have gone
    return total
