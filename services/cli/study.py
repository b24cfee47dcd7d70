"""``affectline study``: sessions compared by condition, and around events."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from affectline.common.errors import AffectlineError

PAGE: Final = "study.html"


def study(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Folder with session folders, at any depth.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the page and tables.  [default: PATH/study]")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL", help="Average the curves around markers with this label. Repeatable."
        ),
    ] = None,
    before: Annotated[
        float, typer.Option(min=0.5, max=600, help="Seconds before an event, as its baseline.")
    ] = 5.0,
    after: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds after an event.")] = 20.0,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FROM..TO",
            help="Report changes from this part of each session: times or labels of markers, "
            "such as 0s..60s or rest..drive.",
        ),
    ] = None,
) -> None:
    """Compare sessions by condition: one page, and tidy tables.

    Participants and conditions come from up --participant, --condition and the like.

    Example: affectline study sessions --event "hard braking" --baseline rest..drive
    """
    from affectline.common import atomic_file, file_access
    from affectline.common.logs import terminal
    from affectline.common.plural import counted
    from affectline.services.sessions.progress import new_progress
    from affectline.services.study.page import render_study
    from affectline.services.study.study import find_sessions, make_study, parse_baseline
    from affectline.services.study.tables import write_tables

    folder = out or path / "study"
    _check_folder(folder)
    rest = None if baseline is None else parse_baseline(baseline)
    folders = [one for one in find_sessions(path) if folder not in one.parents]
    console = terminal()
    with new_progress(console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sessions", total=len(folders))
        made = make_study(
            folders, baseline=rest, events=event or (), before_s=before, after_s=after,
            observe=lambda: progress.advance(bar),
        )  # fmt: skip
    page = folder / PAGE
    with file_access.restricted(group=False):
        file_access.make_folder(folder)
        paths = [page, *write_tables(made, folder)]
        atomic_file.write_text(page, render_study(made, path.resolve().name))
    for place, reason in made.left_out:
        typer.echo(f"left out: {place}: {reason}", err=True)
    for note in made.notes:
        typer.echo(note, err=True)
    for session in made.sessions:
        for note in session.notes:
            typer.echo(f"{session.folder}: {note}", err=True)
    for label in event or ():
        if not any(one.event == label for one in made.events):
            typer.echo(f"--event {label}: no marker of that label with curves about it", err=True)
    counts = (
        f"{counted(len(made.sessions), 'session')} of "
        f"{counted(len(made.participants), 'participant')} under "
        f"{counted(len(made.conditions), 'condition')}"
    )
    typer.echo(f"{counts} ({', '.join(made.conditions)})")
    for written in paths:
        typer.echo(f"  {os.path.relpath(written)}")


def _check_folder(folder: Path) -> None:
    """Check that a folder may be written to: it is new, empty, or has the page of a study.

    Raises:
        AffectlineError: It has other files, which might have the names of the tables.
    """
    if folder.exists() and not (folder / PAGE).is_file() and any(folder.iterdir()):
        raise AffectlineError(
            f"--out {folder}: is there already, and has no {PAGE}",
            "name a new folder; nothing is overwritten",
        )
