"""``affectline sessions``, ``info`` and ``check``: list, describe, verify and remove sessions."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from affectline.common.errors import AffectlineError
from affectline.services.cli.options import AsJson, SessionFile

if TYPE_CHECKING:
    from affectline.services.sessions.removal import Reason, Removal, SessionRemover

SessionsFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder that holds session folders.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only list what would be removed, with sizes.")
]
DEFAULT_FOLDER = Path("sessions")


class SessionsGroup(TyperGroup):
    """Lists sessions if no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["--help"] and not set(args[:1]) & self.commands.keys():
            args = ["list", *args]
        return super().parse_args(ctx, args)


sessions = typer.Typer(
    cls=SessionsGroup,
    help="List the sessions of a folder (affectline sessions FOLDER), or remove some.",
)


@sessions.command("list")
def list_sessions(folder: SessionsFolder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """List the sessions of a folder, as without list.

    Example: affectline sessions list sessions --json
    """
    from affectline.services.sessions import catalog

    found = list(catalog.find(folder))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        catalog.print_list(folder, found)


@sessions.command()
def prune(
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE", help="Sessions last written longer ago than this: 12h, 30d or 4w."
        ),
    ],
    folder: SessionsFolder = DEFAULT_FOLDER,
    keep_tables: Annotated[
        bool,
        typer.Option(
            "--keep-tables",
            help="Keep CSV tables and session.json; remove recordings, films, images, reports "
            "and exports.",
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove old sessions.

    Sessions that are being written are kept. deletions.jsonl logs the removals, without names.

    Example: affectline sessions prune --older-than 30d --keep-tables --dry-run
    """
    from affectline.services.sessions.removal import SessionRemover, parse_age

    remover = SessionRemover(folder)
    found = remover.find_older(parse_age(older_than), keep_tables=keep_tables)
    _remove(remover, found, "age", dry_run=dry_run, as_json=as_json)


@sessions.command()
def delete(
    session: Annotated[
        list[str] | None, typer.Argument(metavar="SESSION", help="Sessions to remove.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Remove every session with samples or states of this person, or with this "
            "person in its settings.",
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Folder that holds session folders.")
    ] = DEFAULT_FOLDER,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove sessions, or all sessions of a person.

    A session with several people is removed completely: they share its frames.

    Example: affectline sessions delete --subject anna --dry-run
    """
    from affectline.services.sessions.removal import SessionRemover

    if bool(session) == (subject is not None):
        raise AffectlineError(
            "delete: name either sessions or a person",
            "affectline sessions delete SESSION, or --subject",
        )
    remover = SessionRemover(folder)
    if subject is None:
        found = [remover.find_named(name) for name in dict.fromkeys(session or ())]
    else:
        found = remover.find_of_subject(subject)
        if not found:
            raise AffectlineError(
                f"--subject {subject}: no session in {folder} contains or names this person",
                "affectline info SESSION shows who is in it; upper and lower case differ",
            )
    if found and not (dry_run or yes):
        _confirm(found, subject)
    why: Reason = "command" if subject is None else "person"
    _remove(remover, found, why, dry_run=dry_run, as_json=as_json)


def is_attended() -> bool:
    """Whether a person can answer a prompt."""
    return sys.stdin.isatty()


def _confirm(found: "list[Removal]", subject: str | None) -> None:
    """Ask the user to confirm.

    Raises:
        AffectlineError: There is nobody to ask.
        Abort: The answer was no.
    """
    from affectline.services.sessions.removal import print_removals

    if not is_attended():
        raise AffectlineError(
            f"sessions to be removed: {len(found)}, and there is nobody to ask",
            "look with --dry-run, then say --yes",
        )
    print_removals(found, subject)
    typer.confirm("Remove all of this, for good?", abort=True)


def _remove(
    remover: "SessionRemover",
    found: "list[Removal]",
    why: "Reason",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from affectline.services.sessions.removal import print_removals

    problems = []
    for one in () if dry_run else found:
        try:
            remover.remove(one, why)
        except AffectlineError as error:
            problems.append(error.problem)
    if as_json:
        removed = [one.describe() for one in found]
        typer.echo(json.dumps({"dry_run": dry_run, "sessions": removed, "problems": problems}))
    elif dry_run:
        print_removals(found)
    else:
        gone = [one for one in found if not one.session.exists() or not one.is_whole]
        size = sum(one.bytes for one in gone) / 1e6
        count = f"{len(found) - len(problems)} of {len(found)}"
        typer.echo(f"sessions removed: {count}, {size:.1f} MB")
        for problem in problems:
            typer.echo(f"  {problem}")
    is_told_to = why != "age"  # old ones that are in use are old again tomorrow
    raise typer.Exit(1 if problems and is_told_to else 0)


def info(file: SessionFile, as_json: AsJson = False) -> None:
    """Describe a session: its times, streams, model and files.

    Example: affectline info sessions/drive
    """
    from affectline.services.sessions import catalog

    described = catalog.describe(file)
    if as_json:
        typer.echo(json.dumps(described, indent=2))
    else:
        catalog.print_info(described)


def check(file: SessionFile, as_json: AsJson = False) -> None:
    """Verify every byte of a recording; exit with code 1 if anything is wrong.

    Example: affectline check sessions/drive
    """
    from affectline.services.sessions import catalog

    result = catalog.verify(file)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        catalog.print_check(result)
    raise typer.Exit(0 if result["sound"] else 1)
