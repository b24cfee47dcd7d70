"""``affectline train``: runs ``affectline-train``, which has its own commands."""

import os
import sys
from typing import Any, Final

import typer

PASSED_ON: Final[dict[str, Any]] = {
    "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": [],
}  # fmt: skip
"""Context settings of a command that forwards all its arguments."""


def train(context: typer.Context) -> None:
    """Train and evaluate models: the same as affectline-train.

    Example: affectline train fit --help
    """
    command = [sys.executable, "-m", "affectline.training", *context.args]
    os.execv(sys.executable, command)  # noqa: S606 - ourselves
