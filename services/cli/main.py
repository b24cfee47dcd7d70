"""The command line: ``affectline``."""

import sys

import typer

from affectline.services.cli.biometrics import BiometricsCommand, biometrics
from affectline.services.cli.collect import collect
from affectline.services.cli.control import control
from affectline.services.cli.doctor import doctor
from affectline.services.cli.errors import run_and_exit
from affectline.services.cli.export import ExportCommand, export
from affectline.services.cli.hidden_arguments import hide_arguments
from affectline.services.cli.log_options import with_log_options
from affectline.services.cli.lsl_outlet import lsl_outlet
from affectline.services.cli.mark import mark
from affectline.services.cli.processes import process_commands
from affectline.services.cli.record import record
from affectline.services.cli.replay import replay
from affectline.services.cli.report import report
from affectline.services.cli.schema import schema
from affectline.services.cli.sessions import check, info, sessions
from affectline.services.cli.subscribe import subscribe
from affectline.services.cli.up import up
from affectline.services.cli.validate import validate

app = typer.Typer(
    help="Live video in, emotion timelines out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (
    up, collect, mark, subscribe, schema, doctor, record, replay, info, check, report,
    lsl_outlet,
):  # fmt: skip
    app.command()(with_log_options(command))
app.command(cls=ExportCommand)(with_log_options(export))
app.command(cls=BiometricsCommand)(with_log_options(biometrics))
for name, process in process_commands():
    app.command(name)(with_log_options(process))
for name, group in (("sessions", sessions), ("validate", validate), ("control", control)):
    for registered in group.registered_commands:
        if registered.callback:
            registered.callback = with_log_options(registered.callback)
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line."""
    hide_arguments(sys.argv[1:])
    run_and_exit(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
