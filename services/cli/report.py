"""``affectline report``: write a report about a recorded session."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from affectline.common.errors import AffectlineError
from affectline.services.cli.options import SessionFile, parse_assignments

Format = Literal["html", "pdf"]


def report(
    file: SessionFile,
    out: Annotated[
        Path | None,
        typer.Option(help="The file.  [default: report.html or report.pdf in the session folder]"),
    ] = None,
    to: Annotated[
        Format | None,
        typer.Option(
            help="pdf needs Chromium, Chrome or Edge on this machine.  "
            "[default: as --out ends, else html]"
        ),
    ] = None,
    paper: Annotated[Literal["a4", "letter"], typer.Option(help="Paper size of a PDF.")] = "a4",
    before: Annotated[
        float | None,
        typer.Option(
            min=1, max=600, help="Seconds before a marker, as its baseline.  [default: 10]"
        ),
    ] = None,
    after: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=600,
            help="Seconds after a marker in which to look for a response.  [default: 30]",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.NAME=VALUE",
            help="Setting of a section, e.g. markers.faces=false. Repeatable.",
        ),
    ] = None,
) -> None:
    """Write a report about a session: results in words and tables, curves, what markers changed.

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
    write(file, out, options, paper=paper if choose_format(to, out) == "pdf" else None)


def choose_format(to: Format | None, out: Path | None) -> Format:
    """The format of a report, from ``--to`` and the suffix of ``--out``.

    Raises:
        AffectlineError: They differ.
    """
    suffixes: dict[str, Format] = {".pdf": "pdf", ".html": "html", ".htm": "html"}
    meant = suffixes.get(out.suffix.lower()) if out else None
    if to and meant and to != meant:
        raise AffectlineError(f"--out {out} with --to {to}: they differ", "leave --to out")
    return to or meant or "html"


def write(
    file: Path,
    out: Path | None = None,
    options: dict[str, dict[str, object]] | None = None,
    *,
    paper: Literal["a4", "letter"] | None = None,
    quiet: bool = False,
) -> None:
    """Write a report into a session folder, or to ``out``, and print its results in words."""
    from affectline.services.report.report import write_report
    from affectline.services.sessions.recording import print_problem, session_folder

    made = out or session_folder(file) / ("report.html" if paper is None else "report.pdf")
    written = write_report(file, made, options, paper)
    for problem in written.problems:
        print_problem(file, problem)
    if not quiet:
        typer.echo(f"{made}\n{written.lead}")
