"""Arguments of calls from Python: checked, and named in errors as a call has them."""

import os
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


def check_path(name: str, value: object) -> None:
    """Check that an argument is a path.

    Args:
        name: The argument's name; empty for the one that a call is about.
        value: What was given.

    Raises:
        AffectlineError: It is empty, or something else.
    """
    shown = f"{name} {value!r}".strip()
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise AffectlineError(f"{shown}: not a path", "give a text or a pathlib.Path")
    if not os.fspath(value).strip():
        raise AffectlineError(f"{shown}: an empty path", "'.' is the current folder")


def check_text(name: str, value: object) -> None:
    """Check that an argument is a text.

    Raises:
        AffectlineError: It is something else.
    """
    if not isinstance(value, str):
        raise AffectlineError(f"{name} {value!r}: not a text", f"for example {name}={str(value)!r}")


@contextmanager
def named_as_in_python() -> Iterator[None]:
    """Name arguments in errors as a call has them: ``out x: ...`` for ``--out x: ...``.

    A source, a session and a film are named by themselves.
    """
    try:
        yield
    except AffectlineError as error:
        problem = re.sub(r"^(?:--source |FILE |PATH |--(?=[a-z]))", "", error.problem)
        fix = re.sub(r"--hub ([\w.:]+)", r"hub='\1'", error.fix)
        fix = re.sub(r"--hub\b", "hub=...", fix)
        raise AffectlineError(problem, fix, error.details) from error
