"""Silences C++ libraries that write to standard error on their own."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to the null device; exceptions pass through.

    LiteRT's message about its delegate, for example, cannot be turned off.
    """
    original = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(null)
