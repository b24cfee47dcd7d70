"""The command line: ``affectline``."""

import typer

from services.commands.collecting import collect
from services.commands.looking import doctor, schema, subscribe
from services.commands.marking import mark
from services.commands.processes import (
    capture,
    classifier,
    dashboard,
    detector,
    fusion,
    hub,
    sink,
)
from services.commands.reporting import export, report
from services.commands.sensing import biometrics, lsl_outlet
from services.commands.sessions import check, info, record, replay, sessions
from services.commands.up import up
from services.commands.validate import validate
from services.complaints import run_complaining

app = typer.Typer(
    help="Live video in, emotion timelines out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (
    up, hub, capture, detector, classifier, sink, dashboard, collect, mark, subscribe, schema,
    doctor, biometrics, fusion, lsl_outlet, record, replay, sessions, info, check, report, export,
):  # fmt: skip
    app.command()(command)
app.add_typer(validate, name="validate")


def main() -> None:
    """Run the command line; every error is one line."""
    run_complaining(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
