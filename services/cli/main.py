"""The command line: ``affectline``.

A command is imported when it is called or asked for its help, so that ``affectline --help`` and
every single command start fast, and need no packages that only other commands use.
"""

import signal
import sys
from collections.abc import Iterator, Mapping
from copy import copy
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
import typer.main

from affectline.common.command_line import name_values
from affectline.common.settings.variables import expand_home
from affectline.services.cli.errors import run_and_exit
from affectline.services.cli.help_page import GroupedCommands, print_version


class CommandHome(NamedTuple):
    """Where a command is defined: a function of its name, in a module of ``services/cli``."""

    module: str
    command_class: str = ""
    """``module:Class`` of the command; empty: typer's own."""


# A command's group, and its line in the help, are in services/cli/help_page.py
COMMANDS: Final[dict[str, CommandHome]] = {
    "analyse": CommandHome("analyse"),
    "study": CommandHome("study"),
    "annotate": CommandHome("annotate"),
    "tracks": CommandHome("annotate"),
    "collect": CommandHome("collect"),
    "calibrate": CommandHome("calibrate", "help_page:BriefCommand"),
    "mark": CommandHome("mark"),
    "subscribe": CommandHome("subscribe"),
    "schema": CommandHome("schema"),
    "doctor": CommandHome("doctor"),
    "record": CommandHome("record"),
    "info": CommandHome("sessions"),
    "check": CommandHome("sessions"),
    "report": CommandHome("report"),
    "lsl-outlet": CommandHome("lsl_outlet"),
    "sync-test": CommandHome("sync_test"),
    "up": CommandHome("up", "help_page:BriefCommand"),
    "replay": CommandHome("replay", "help_page:BriefCommand"),
    "export": CommandHome("export", "export:ExportCommand"),
    "biometrics": CommandHome("biometrics", "biometrics:BiometricsCommand"),
}
PASSED_ON: Final = "train"
"""The command that hands over to ``affectline-train``, with all arguments."""
PROCESSES: Final = (
    "hub", "sink", "detector", "classifier", "fusion", "remote", "dashboard", "capture",
)  # fmt: skip
"""Services whose process is a command, too."""
COMMAND_GROUPS: Final = ("sessions", "validate", "control", "keys")
"""Commands with commands of their own: a `typer.Typer` of that name, in a module of that name."""


class ImportedCommands(Mapping[str, Any]):
    """All commands by name; each is imported when it is looked up."""

    def __init__(self) -> None:
        self._names = (*COMMANDS, PASSED_ON, *PROCESSES, *COMMAND_GROUPS)
        self._imported: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._imported:
            self._imported[name] = name_values(import_command(name))
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class CommandLine(GroupedCommands):
    """The whole command line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = ImportedCommands()


app = typer.Typer(
    cls=CommandLine,
    help="Facial expressions from webcams and films, with heart rate and skin conductance.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def affectline(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Facial expressions from webcams and films, with heart rate and skin conductance."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def import_command(name: str) -> Any:
    """Import a command or a group of commands, and give it the options that all have.

    Args:
        name: Its name on the command line.

    Returns:
        The command, as typer makes it.
    """
    maker = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    maker.callback()(lambda: None)  # makes a group, even of one command
    if name == PASSED_ON:
        train = import_module("affectline.services.cli.train")
        maker.command(name, context_settings=train.PASSED_ON, add_help_option=False)(train.train)
    elif name in COMMAND_GROUPS:
        group = copy(_attribute(f"{name}:{name}"))
        group.registered_commands = [copy(one) for one in group.registered_commands]
        for registered in group.registered_commands:
            registered.callback = registered.callback and with_options(registered.callback)
        maker.add_typer(group, name=name)
    elif name in PROCESSES:
        make = _attribute("processes:make_command")
        specs = import_module("affectline.services.registry").SPECS
        maker.command(name)(with_options(make(specs[name])))
    else:
        home = COMMANDS[name]
        cls = _attribute(home.command_class) if home.command_class else None
        function = _attribute(f"{home.module}:{name.replace('-', '_')}")
        maker.command(name, cls=cls)(with_options(function))
    return typer.main.get_group(maker).commands[name]


def with_options(command: Any) -> Any:
    """Return the command with the options that all have, or all that reach a hub."""
    with_security_option = _attribute("security_option:with_security_option")
    return _attribute("log_options:with_log_options")(with_security_option(command))


def _attribute(path: str) -> Any:
    """Import ``module:name`` of this package."""
    module, _, name = path.partition(":")
    return getattr(import_module(f"affectline.services.cli.{module}"), name)


def main(fork_server: Any = None, *, is_interruptible: bool = False) -> None:
    """Run the command line.

    Args:
        fork_server: For a command that starts processes: its context's object.
        is_interruptible: Make Ctrl-C raise KeyboardInterrupt again, as it did before the start.
    """
    command = name_values(typer.main.get_command(app))
    arguments = [_in_home(one) for one in sys.argv[1:]]

    def run() -> Any:
        if is_interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command(arguments, prog_name="affectline", standalone_mode=False, obj=fork_server)

    run_and_exit(run)


def _in_home(argument: str) -> str:
    """An argument with the path that a shell leaves as it is, as in ``--out=~/study``."""
    option, sign, value = argument.partition("=")
    return f"{option}{sign}{expand_home(value)}" if option.startswith("--") else argument
