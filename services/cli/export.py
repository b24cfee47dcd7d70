"""``affectline export``: write a session in the format of other tools."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from affectline.common import file_access
from affectline.common.errors import AffectlineError
from affectline.services.cli.options import SessionFile
from affectline.services.cli.setting_options import SettingsCommand, explain, given_settings
from affectline.services.export.exporter import EXPORTERS, ExportSettings, make_exporter


class ExportCommand(SettingsCommand):
    """Adds the options of all exporters, and their names to the help of ``--to``."""

    family = ExportSettings

    def get_params(self, ctx: Any) -> list[Any]:
        params = [p for p in super().get_params(ctx) if p.name != EXPORTERS.key]
        for param in params:
            if param.name == "to":
                param.metavar = f"[{'|'.join(EXPORTERS.names())}]"
        return params


def _print_exporters(requested: bool) -> None:
    if not requested:
        return
    from rich.console import Console
    from rich.table import Table

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
    context: typer.Context,
    file: SessionFile,
    to: Annotated[
        str,
        typer.Option(
            help="csv and parquet: the session's tables. mp4: the film with its overlay."
            " xdf: what LabRecorder would have written. See also --list.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder.  [default: export in the session folder]")
    ] = None,
    listed: Annotated[
        bool,
        typer.Option(
            "--list", is_eager=True, callback=_print_exporters, help="List all exporters and exit."
        ),
    ] = False,
) -> None:
    """Write a session in the format of other tools.

    Example: affectline export sessions/drive --to parquet
    """
    from affectline.services.sessions.recording import open_recording, session_folder

    if to not in EXPORTERS.names():
        names = ", ".join(map(repr, EXPORTERS.names()))
        raise typer.BadParameter(f"{to!r} is not one of {names}", param_hint="--to")
    try:
        exporter = make_exporter(to, given_settings(context))
    except ValidationError as error:
        raise explain(error, ExportSettings, "export") from error
    recording = open_recording(file)
    folder = out or session_folder(file) / "export"
    is_new = not folder.exists()
    try:
        with file_access.as_the_session(folder):
            file_access.make_folder(folder)
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
