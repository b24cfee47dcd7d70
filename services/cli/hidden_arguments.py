"""Hides passwords on the command line from ``ps``.

The arguments of a process lie in its own memory, where Linux reads them for ``ps``. Whoever looks
in the first moment, or at the shell that started the process, still sees them: a settings file is
the safe place.
"""

import os
import re
from collections.abc import Iterable
from typing import Final

from affectline.common.address import HIDDEN, looks_secret, redact, remember
from affectline.common.argument_memory import rewrite_arguments

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)


def hide_arguments(arguments: list[str]) -> None:
    """Overwrite addresses in this process' arguments, if the system allows it.

    Args:
        arguments: As they were given.
    """
    hidden = {text: shown for text in arguments if (shown := _without_secrets(text)) != text}
    _remember(hidden)
    if hidden:
        rewrite_arguments(lambda memory: _hide(memory, hidden))


def _hide(memory: bytes, hidden: dict[str, str]) -> bytes:
    for text, shown in hidden.items():
        old = b"\0" + os.fsencode(text) + b"\0"
        new = b"\0" + os.fsencode(shown)[: len(old) - 2].ljust(len(old) - 2, b"\0") + b"\0"
        memory = memory.replace(old, new)
    return memory


def _without_secrets(argument: str) -> str:
    if _ADDRESS.search(argument):
        return _ADDRESS.sub(lambda match: redact(match.group()), argument)
    return HIDDEN if looks_secret(argument) else argument


def _remember(arguments: Iterable[str]) -> None:
    """Keep the argument out of error messages as well."""
    for argument in arguments:
        match = _ADDRESS.search(argument)
        remember(match.group() if match else argument)
