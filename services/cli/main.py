"""The command line: ``affectline``."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.main

from affectline.services.cli.analyse import analyse
from affectline.services.cli.annotate import annotate, tracks
from affectline.services.cli.biometrics import BiometricsCommand, biometrics
from affectline.services.cli.collect import collect
from affectline.services.cli.control import control
from affectline.services.cli.doctor import doctor
from affectline.services.cli.errors import run_and_exit
from affectline.services.cli.export import ExportCommand, export
from affectline.services.cli.help_page import (
    BriefCommand,
    GroupedCommands,
    name_values,
    print_version,
)
from affectline.services.cli.hidden_arguments import hide_arguments
from affectline.services.cli.keys import keys
from affectline.services.cli.log_options import with_log_options
from affectline.services.cli.lsl_outlet import lsl_outlet
from affectline.services.cli.mark import mark
from affectline.services.cli.processes import process_commands
from affectline.services.cli.record import record
from affectline.services.cli.replay import replay
from affectline.services.cli.report import report
from affectline.services.cli.schema import schema
from affectline.services.cli.security_option import with_security_option
from affectline.services.cli.sessions import check, info, sessions
from affectline.services.cli.study import study
from affectline.services.cli.subscribe import subscribe
from affectline.services.cli.sync_test import sync_test
from affectline.services.cli.train import PASSED_ON, train
from affectline.services.cli.up import up
from affectline.services.cli.validate import validate

app = typer.Typer(
    cls=GroupedCommands,
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


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the options that all have, or all that reach a hub."""
    return with_log_options(with_security_option(command))


# A command's group, and its line in the help, are in services/cli/help_page.py
for command in (
    analyse, study, annotate, tracks, collect, mark, subscribe, schema, doctor, record,
    info, check, report, lsl_outlet, sync_test,
):  # fmt: skip
    app.command()(with_options(command))
app.command(cls=BriefCommand)(with_options(up))
app.command(cls=BriefCommand)(with_options(replay))
app.command(cls=ExportCommand)(with_log_options(export))
app.command(cls=BiometricsCommand)(with_options(biometrics))
app.command(context_settings=PASSED_ON, add_help_option=False)(train)
for name, process in process_commands():
    app.command(name)(with_options(process))
COMMAND_GROUPS = {"sessions": sessions, "validate": validate, "control": control, "keys": keys}
for name, group in COMMAND_GROUPS.items():
    for registered in group.registered_commands:
        if registered.callback:
            registered.callback = with_options(registered.callback)
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line."""
    hide_arguments(sys.argv[1:])
    command = name_values(typer.main.get_command(app))
    run_and_exit(lambda: command(standalone_mode=False))


if __name__ == "__main__":
    main()
