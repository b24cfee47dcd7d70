"""Errors of the command line, in a call from Python: arguments have no dashes."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from affectline.common.errors import AffectlineError

OWN: Final = ("affectline", "contextlib", "functools")
"""Packages and modules whose lines lie between a call's first line and its warning."""


def warn_caller(text: str) -> None:
    """Warn of something at the caller's line: the nearest one outside this program."""
    level, frame = 1, sys._getframe()
    while frame.f_globals.get("__name__", "").partition(".")[0] in OWN and frame.f_back:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


@contextmanager
def named_as_in_python() -> Iterator[None]:
    """Name arguments in errors as a call has them: ``out x: ...`` for ``--out x: ...``.

    A source is named by itself.
    """
    try:
        yield
    except AffectlineError as error:
        problem = re.sub(r"^--(?:source |(?=[a-z]))", "", error.problem)
        raise AffectlineError(problem, error.fix, error.details) from error
