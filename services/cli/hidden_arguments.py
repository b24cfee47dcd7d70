"""Hides passwords on the command line from ``ps``.

The arguments of a process lie in its own memory, where Linux reads them for ``ps``. Whoever looks
in the first moment, or at the shell that started the process, still sees them: a settings file is
the safe place.
"""

import ctypes
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from affectline.common.address import HIDDEN, looks_secret, redact, remember

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_FIRST, _LAST = 45, 46
"""Of the fields behind the name in ``/proc/self/stat``: ``arg_start`` and ``arg_end`` (proc(5))."""


def hide_arguments(arguments: list[str]) -> None:
    """Overwrite addresses in this process' arguments, if the system allows it.

    Args:
        arguments: As they were given.
    """
    hidden = {text: shown for text in arguments if (shown := _without_secrets(text)) != text}
    _remember(hidden)
    if not hidden or sys.platform != "linux":
        return
    try:
        memory = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        begin, end = int(fields[_FIRST]), int(fields[_LAST])
    except (OSError, ValueError, IndexError):
        return
    if end - begin != len(memory) or ctypes.string_at(begin, len(memory)) != memory:
        return
    for text, shown in hidden.items():
        old = b"\0" + os.fsencode(text) + b"\0"
        new = b"\0" + os.fsencode(shown)[: len(old) - 2].ljust(len(old) - 2, b"\0") + b"\0"
        memory = memory.replace(old, new)
    ctypes.memmove(begin, memory, len(memory))


def _without_secrets(argument: str) -> str:
    if _ADDRESS.search(argument):
        return _ADDRESS.sub(lambda match: redact(match.group()), argument)
    return HIDDEN if looks_secret(argument) else argument


def _remember(arguments: Iterable[str]) -> None:
    """Keep the argument out of error messages as well."""
    for argument in arguments:
        match = _ADDRESS.search(argument)
        remember(match.group() if match else argument)
