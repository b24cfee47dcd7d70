"""``affectline export``: write a recorded session in the format of other tools."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.errors import AffectlineError
from affectline.services.cli.options import SessionFile, parse_assignments


def _print_exporters(requested: bool) -> None:
    if not requested:
        return
    from rich.console import Console
    from rich.table import Table

    from affectline.services.export.exporter import EXPORTERS

    table = Table("exporter", "writes", "files", "settings")
    broken = EXPORTERS.broken_plugins()
    for name in EXPORTERS.names():
        if name in broken:
            table.add_row(name, broken[name])
            continue
        exporter = EXPORTERS.load(name)
        settings = ", ".join(f for f in exporter.settings_model.model_fields if f != "exporter")
        table.add_row(name, exporter.summary, exporter.files, settings)
    Console(markup=False, emoji=False).print(table)
    raise typer.Exit


def export(
    file: SessionFile,
    to: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="csv and parquet: a table for each kind of message. mp4: the film with its "
            "overlay. xdf: what LabRecorder would have written. Installed packages may add others: "
            "see --list.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder.  [default: export beside the recording]")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the exporter, e.g. delimiter=';' for csv; several times.",
        ),
    ] = None,
    listed: Annotated[
        bool,
        typer.Option(
            "--list", is_eager=True, callback=_print_exporters, help="List all exporters and exit."
        ),
    ] = False,
) -> None:
    """Write a session in the format of other tools.

    Example: affectline export sessions/drive/session.mcap --to parquet
    """
    from affectline.services.export.exporter import EXPORTERS, make_exporter
    from affectline.services.sessions.recording import open_recording, session_folder

    if to not in EXPORTERS.names():
        names = ", ".join(map(repr, EXPORTERS.names()))
        raise typer.BadParameter(f"{to!r} is not one of {names}", param_hint="--to")
    exporter = make_exporter(to, parse_assignments(assignments))
    recording = open_recording(file)
    folder = out or session_folder(file) / "export"
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = exporter.export(recording, folder)
        if not written and is_new:
            folder.rmdir()
    except OSError as error:
        raise AffectlineError(
            f"cannot write to --out {folder} ({error.strerror})", "make room, or name another"
        ) from error
    if not written:
        raise AffectlineError(
            f"{file} holds nothing for --to {to}",
            "pictures are only there when they were recorded; see affectline info",
        )
    for path in written:
        typer.echo(str(path))
