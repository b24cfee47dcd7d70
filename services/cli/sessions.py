"""``affectline sessions``, ``info`` and ``check``: list, describe and verify recorded sessions."""

import json
from pathlib import Path
from typing import Annotated

import typer

from affectline.services.cli.options import AsJson, SessionFile


def sessions(
    folder: Annotated[Path, typer.Argument(help="Folder that holds session folders.")] = Path(
        "sessions"
    ),
    as_json: AsJson = False,
) -> None:
    """List the recorded sessions.

    Example: affectline sessions
    """
    from affectline.services.sessions import catalog

    found = list(catalog.find(folder))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        catalog.print_list(folder, found)


def info(file: SessionFile, as_json: AsJson = False) -> None:
    """Describe a session: its times, streams, model, and what was recorded or written of it.

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
