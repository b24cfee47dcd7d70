"""Memory and descriptors of running processes."""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

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
