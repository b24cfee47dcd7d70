"""Entry point of the command line: what must happen before anything else is loaded."""

import sys
from contextlib import nullcontext
from typing import Final

from affectline.services.cli.hidden_arguments import hide_arguments
from affectline.services.supervisor.forking import ForkServer

RUNS: Final = ("up", "replay")
"""Commands that start the processes of a pipeline."""


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    hide_arguments(arguments)
    # It imports what the processes need while we import the command line
    server = ForkServer.start_if_available() if is_plain_run(arguments) else None
    with server or nullcontext():
        from affectline.services.cli import main as command_line

        command_line.main(server)


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
