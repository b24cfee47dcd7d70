"""Silences libraries that print, warn, or write to standard error from C++."""

import contextlib
import io
import warnings
from collections.abc import Iterator

from affectline.common.stderr import silence_stderr


@contextlib.contextmanager
def silence_output() -> Iterator[None]:
    """Discard prints, Python warnings and output on file descriptor 2; exceptions pass through."""
    with (
        silence_stderr(),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
