"""``affectline report``: write a report about a recorded session."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.services.cli.options import SessionFile, parse_assignments


def report(
    file: SessionFile,
    out: Annotated[
        Path | None, typer.Option(help="The page.  [default: report.html in the session folder]")
    ] = None,
    before: Annotated[
        float | None,
        typer.Option(
            min=1, max=600, help="Seconds before a marker that are its baseline.", show_default="10"
        ),
    ] = None,
    after: Annotated[
        float | None,
        typer.Option(
            min=1, max=600, help="Seconds after a marker that are analysed.", show_default="30"
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.NAME=VALUE",
            help="A setting of a section, e.g. thumbnails.enabled=false; several times.",
        ),
    ] = None,
) -> None:
    """Write a report about a session: one page with curves, markers and a summary in words.

    Example: affectline report sessions/drive
    """
    given = {"before_s": before, "after_s": after}
    options: dict[str, dict[str, object]] = {
        "responses": {name: value for name, value in given.items() if value is not None}
    }
    for name, value in parse_assignments(assignments).items():
        section, dot, setting = name.partition(".")
        if not dot:
            raise typer.BadParameter(
                f"{name}={value} is not SECTION.NAME=VALUE", param_hint="--set"
            )
        options.setdefault(section, {})[setting] = value
    write(file, out, options)


def write(
    file: Path,
    out: Path | None = None,
    options: dict[str, dict[str, object]] | None = None,
    *,
    quiet: bool = False,
) -> None:
    """Write a report into a session folder, or to ``out``, and print its first paragraph."""
    from affectline.services.report.report import write_report
    from affectline.services.sessions.recording import print_problem, session_folder

    page = out or session_folder(file) / "report.html"
    written = write_report(file, page, options)
    for problem in written.problems:
        print_problem(file, problem)
    if not quiet:
        typer.echo(f"{page}\n{written.lead}")
