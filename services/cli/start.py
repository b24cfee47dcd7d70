"""Entry point of the command line: what must happen before anything else is loaded."""

import codecs
import io
import os
import signal
import sys
from contextlib import nullcontext
from types import FrameType
from typing import Final

RUNS: Final = ("up", "replay")
"""Commands that start the processes of a pipeline."""
PLAIN: Final = str.maketrans({"\u2212": "-", "\u2013": "-", "…": "...", "“": '"', "”": '"'})
"""Characters that not every terminal has, and what stands for them."""


def main() -> None:
    """Run the command line."""
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        signal.signal(signal.SIGINT, _end_at_once)
    allow_every_character()
    from affectline.services.cli.hidden_arguments import hide_arguments
    from affectline.services.supervisor.forking import ForkServer

    arguments = sys.argv[1:]
    hide_arguments(arguments)
    # It imports what the processes need while we import the command line
    server = ForkServer.start_if_available() if is_plain_run(arguments) else None
    with server or nullcontext():
        from affectline.services.cli import main as command_line

        command_line.main(server, is_interruptible=is_interruptible)


def is_plain_run(arguments: list[str]) -> bool:
    """Whether a command runs a pipeline whose settings name no environment variables.

    Such a variable may be a password: processes must not have it in their environment.

    Args:
        arguments: Of the command line.
    """
    return (
        arguments[:1] != []
        and arguments[0] in RUNS
        and not any("$" in one or one.startswith(("--config", "--help")) for one in arguments)
    )


def allow_every_character() -> None:
    """Print something similar for characters that standard output cannot encode."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("similar", _similar)
        sys.stdout.reconfigure(errors="similar")


def _similar(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - for the type checker
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "replace").decode(), error.end


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    """End the process: while modules are imported there is nothing to finish."""
    os.write(2, b"affectline: stopped by Ctrl-C\n")
    os._exit(130)
