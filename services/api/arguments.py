"""Errors of the command line, in a call from Python: arguments have no dashes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from affectline.common.errors import AffectlineError


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
