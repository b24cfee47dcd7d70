"""Command lines: names of values in the help, and errors of usage as one line."""

from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import typer

WIDEST: Final = 120
"""Columns that a help text fills at most, where the terminal has them."""
PLAIN_NAMES: Final = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}
UsageError: Any = typer.BadParameter.__base__
"""Click's class, reached through typer, which may bundle its own copy of click."""
NoArgumentsError: Any = next(
    (one for one in UsageError.__subclasses__() if one.__name__ == "NoArgsIsHelpError"), ()
)
"""Likewise: a command group was called without a command. Older versions print the help."""


def name_values(command: Any) -> Any:
    """Give the values of all options and arguments plain names in the help; returns the command.

    Args:
        command: A command or group, as typer has made it.
    """
    command.context_settings.setdefault("max_content_width", WIDEST)
    for parameter in command.params:
        name_value(parameter)
    children = getattr(command, "commands", None)
    if isinstance(children, dict):  # another mapping imports its commands when they are called
        for child in children.values():
            name_values(child)
    return command


def name_value(parameter: Any) -> None:
    """Give the value of an option or argument a plain name."""
    # Older versions of typer have no descriptors, and plain names by themselves
    described = getattr(parameter, "type_descriptor", None)
    if described is None or getattr(parameter, "is_flag", False):
        return
    is_argument = parameter.param_type_name == "argument"
    if parameter.metavar is None:
        kind = described.annotation
        parameter.metavar = parameter.name.upper() if is_argument else _value_name(kind)
    if is_argument:
        parameter.display_type_rich = lambda **_: ""  # its name says enough


def _value_name(annotation: Any) -> str | None:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    kind = next(iter(get_args(annotation)), annotation)  # of list[str]
    return PLAIN_NAMES.get(kind)


def explain_usage(error: Any) -> str:
    """Describe a usage error in one line, with the given value if it is known."""
    text = str(error.format_message()).replace("Value error, ", "")
    details = getattr(error.__cause__, "errors", None)
    value = f" (got {details()[0]['input']!r})" if details else ""
    said = f"{text.rstrip('.')}{value}"
    return said if said.endswith("?") else f"{said}."
