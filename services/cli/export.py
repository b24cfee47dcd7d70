"""``affectline export``: write a session in the format of other tools."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from affectline.common import file_access
from affectline.common.errors import AffectlineError
from affectline.services.cli.options import SessionFile
from affectline.services.cli.setting_options import SettingsCommand, explain, given_settings
from affectline.services.export.exporter import (
    EXPORTERS,
    Exporter,
    ExportSettings,
    make_exporter,
)


class ExportCommand(SettingsCommand):
    """Adds the options of all exporters, and their names to the help of ``--to``."""

    family = ExportSettings
    flag = "--to"

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

    from affectline.common.text_table import text_table

    table = text_table("exporter", "writes", "files", "settings")
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
            autocompletion=EXPORTERS.names,
            help="csv, parquet: the tables. mp4: the film with its overlay. xdf: as LabRecorder. "
            "bids: a data set. fex, openface: as py-feat and OpenFace. foxglove: MCAP for "
            "Foxglove. See also --list.",
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

    Of a folder, all sessions at any depth are exported: into one BIDS data set, or into a folder
    for each. Sessions that cannot be exported are named.

    Example: affectline export sessions/drive --to parquet
    """
    from affectline.services.sessions.recording import session_folder, session_name

    if to not in EXPORTERS.names():
        names = ", ".join(map(repr, EXPORTERS.names()))
        raise typer.BadParameter(f"{to!r} is not one of {names}", param_hint="--to")
    try:
        exporter = make_exporter(to, given_settings(context))
    except ValidationError as error:
        raise explain(error, ExportSettings, "export") from error
    out = out or session_folder(file) / "export"
    if any((out / name).is_file() for name in file_access.SESSION_FILES):
        raise AffectlineError(
            f"--out {out}: a session, whose own files may have the same names",
            "name another folder; without --out it is export in the session folder",
        )
    sessions = _find_sessions(file, out)
    refused = []
    damaged: list[Path] = []
    for session in sessions:
        # A folder for each session, unless the exporter separates them itself, as BIDS does
        alone = len(sessions) == 1 or exporter.joins_sessions
        place = out if alone else out / session.relative_to(file)
        try:
            written = _export_one(exporter, session, place, damaged)
        except AffectlineError as error:
            if len(sessions) == 1:
                raise
            refused.append(session.name)
            typer.echo(f"affectline: {error}", err=True)
            continue
        for path in written:
            typer.echo(str(path))
    if refused:
        raise AffectlineError(
            f"{len(refused)} of {len(sessions)} sessions were not exported: {', '.join(refused)}",
            "the others were; see the lines above",
        )
    if damaged:
        all_names = [session_name(one) for one in damaged]
        few = all_names[0] if len(sessions) == 1 else f"{len(damaged)} of {len(sessions)} sessions"
        names = "" if len(sessions) == 1 else f": {', '.join(all_names)}"
        raise AffectlineError(
            f"{few} {'was' if len(sessions) == 1 else 'were'} not read completely{names}",
            "what could be read was exported; see the lines above",
        )


def _find_sessions(path: Path, out: Path) -> list[Path]:
    """The given session, or all sessions below a folder except those that exports created."""
    from affectline.common.recording.reader import FILE
    from affectline.services.sessions.removal import is_session

    if not path.is_dir() or is_session(path):
        return [path]
    found, waiting = [], [path]
    while waiting:
        for child in waiting.pop().iterdir():
            if child.name.startswith(".") or child.is_symlink() or not child.is_dir():
                continue
            # An unreadable recording is reported rather than skipped
            if is_session(child) or (child / FILE).exists():
                found.append(child)
            elif child != out:
                waiting.append(child)
    return sorted(found) or [path]


def _export_one(exporter: Exporter, session: Path, folder: Path, damaged: list[Path]) -> list[Path]:
    """Export one session; return the files that were written.

    Args:
        exporter: The exporter.
        session: The session.
        folder: Folder for the files.
        damaged: Gets the session if part of it cannot be read.
    """
    from affectline.services.sessions.edits import read_edits
    from affectline.services.sessions.recording import (
        open_recording,
        print_problem,
        session_folder,
    )

    def report_damage(path: Path, problem: str) -> None:
        print_problem(path, problem)
        if session not in damaged:  # it may be read more than once
            damaged.append(session)

    recording = replace(
        open_recording(session, report_damage), edits=read_edits(session_folder(session))
    )
    is_new = not folder.exists()
    try:
        with file_access.as_the_session(folder):
            file_access.make_folder(folder)
            written = exporter.export(recording, folder)
    except OSError as error:
        raise AffectlineError(
            f"cannot write to --out {folder} ({error.strerror})", "make room, or name another"
        ) from error
    finally:
        if is_new:
            with suppress(OSError):  # something is in it
                folder.rmdir()
    if not written:
        to = exporter.settings.exporter
        needs = "a film needs the frames of a recording; " if to == "mp4" else ""
        raise AffectlineError(
            f"{session} holds nothing for --to {to}", f"{needs}affectline info shows what it holds"
        )
    return written
