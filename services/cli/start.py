"""Entry point of the command line: hides passwords before anything else is loaded."""

import sys

from affectline.services.cli.hidden_arguments import hide_arguments


def main() -> None:
    """Run the command line."""
    hide_arguments(sys.argv[1:])
    from affectline.services.cli import main as command_line  # takes 60 ms to load

    command_line.main()
