"""The memory that holds a process's arguments, which Linux shows to ``ps``."""

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

_FIRST, _LAST = 45, 46
"""Of the fields behind the name in ``/proc/self/stat``: ``arg_start`` and ``arg_end`` (proc(5))."""


def rewrite_arguments(change: Callable[[bytes], bytes]) -> bool:
    """Change what the system shows as the arguments of this process.

    Args:
        change: Gets the arguments, each with a zero byte behind it; returns as many bytes.

    Returns:
        Whether the system allows it.
    """
    if sys.platform != "linux":
        return False
    try:
        memory = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        begin, end = int(fields[_FIRST]), int(fields[_LAST])
    except (OSError, ValueError, IndexError):
        return False
    if end - begin != len(memory) or ctypes.string_at(begin, len(memory)) != memory:
        return False
    changed = change(memory)
    if len(changed) != len(memory):
        return False
    ctypes.memmove(begin, changed, len(changed))
    return True
