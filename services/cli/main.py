"""The command line: ``affectline``."""

import typer

from affectline.services.cli.biometrics import BiometricsCommand, biometrics
from affectline.services.cli.collect import collect
from affectline.services.cli.doctor import doctor
from affectline.services.cli.errors import run_and_exit
from affectline.services.cli.log_options import with_log_options
from affectline.services.cli.lsl_outlet import lsl_outlet
from affectline.services.cli.mark import mark
from affectline.services.cli.processes import process_commands
from affectline.services.cli.record import record
from affectline.services.cli.replay import replay
from affectline.services.cli.reporting import export, report
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
    up, collect, mark, subscribe, schema, doctor, record, replay, sessions, info, check, report,
    export, biometrics, lsl_outlet,
):  # fmt: skip
    kind = BiometricsCommand if command is biometrics else None
    app.command(cls=kind)(with_log_options(command))
for name, process in process_commands():
    app.command(name)(with_log_options(process))
app.add_typer(validate, name="validate")


def main() -> None:
    """Run the command line."""
    run_and_exit(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
