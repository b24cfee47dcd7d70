"""Every command has a help text with an example that the command line accepts."""

import re
import shlex
from typing import Any

import pytest
import typer.main

from affectline.services.cli.main import app

ROOT: Any = typer.main.get_command(app)
GROUPS = ("control", "sessions", "validate")
COMMANDS = {name: command for name, command in ROOT.commands.items() if name not in GROUPS} | {
    f"{group} {name}": command
    for group in GROUPS
    for name, command in ROOT.commands[group].commands.items()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_example_that_parses(name: str) -> None:
    command = COMMANDS[name]
    example = re.search(rf"Example: affectline {name}( .*|)$", command.help, re.MULTILINE)
    assert example, f"{name} has no example"
    arguments = shlex.split(example[1])
    command.make_context(name, arguments)  # raises where an option does not exist


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_options_of_logging(name: str) -> None:
    assert {"log_level", "log_format"} <= {parameter.name for parameter in COMMANDS[name].params}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    unexplained = [p.name for p in COMMANDS[name].params if not getattr(p, "help", None)]
    assert not unexplained
