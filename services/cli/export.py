"""``affectline report`` and ``affectline export``."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import SessionReader
from affectline.common.wire.messages import Packet
from affectline.services.sessions.marker_responses import AFTER_S, BEFORE_S, responses

SessionFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A recording (.mcap), or its session folder.")
]
Form = Literal["csv", "parquet", "mp4", "xdf"]


def report(
    file: SessionFile,
    out: Annotated[
        Path | None, typer.Option(help="The page.  [default: report.html beside the recording]")
    ] = None,
    before: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds before a marker that are its baseline.")
    ] = BEFORE_S,
    after: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds after it that are looked at.")
    ] = AFTER_S,
) -> None:
    """Write one page about a session that opens offline: curves, markers, and words.

    Example: affectline report sessions/drive/session.mcap
    """
    report_on(file, out or folder_of(file) / "report.html", before, after)


def report_on(
    file: Path,
    path: Path,
    before: float = BEFORE_S,
    after: float = AFTER_S,
    *,
    quiet: bool = False,
) -> None:
    """Write the report on a recording, and say its first paragraph."""
    from affectline.services.report.page import page
    from affectline.services.report.sections.chart import in_order
    from affectline.services.report.sections.narrative import paragraphs, where_from
    from affectline.services.report.sections.thumbnails import thumbnails
    from affectline.services.sessions.recording import complain, packets
    from affectline.services.sessions.timeseries import gather

    problems: list[str] = []
    session = gather(packets(file, lambda _, problem: problems.append(problem)))
    pictures = thumbnails(session, packets(file, lambda *_: None)) if session.markers else []
    found = responses(session.markers, in_order(session.series.values()), before, after)
    words = paragraphs(session)
    for problem in problems:
        complain(file, problem)
        words.append(f"The recording is not whole: {problem}. This page is about the rest.")
    with SessionReader(file) as reader:
        note = where_from(session, reader.about)
    write(path, page(name(file), session, words, found, pictures, note))
    if not quiet:
        typer.echo(f"{path}\n{words[0]}")


def export(
    file: SessionFile,
    to: Annotated[
        Form,
        typer.Option(
            help="csv and parquet: a table for each kind of message. mp4: the film with its "
            "overlay. xdf: what LabRecorder would have written."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder.  [default: export beside the recording]")
    ] = None,
) -> None:
    """Write a session in the format of other tools.

    Example: affectline export sessions/drive/session.mcap --to parquet
    """
    from affectline.services.sessions.recording import packets

    folder = out or folder_of(file) / "export"
    try:
        written = export_to(to, lambda: packets(file), folder, name(file))
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


def export_to(
    to: Form, read: Callable[[], Iterable[Packet]], folder: Path, stem: str
) -> list[Path]:
    """Write what ``read`` yields, each time anew, in one format; returns the files."""
    from affectline.services.sessions.timeseries import Gathering, gather

    if to == "mp4":
        from affectline.services.export.exporters.mp4 import write_films

        return write_films(read(), folder)
    if to == "xdf":
        from affectline.services.export.exporters import xdf

        streams = xdf.streams(gather(read()))
        if streams:
            xdf.write(streams, folder / f"{stem}.xdf")
        return [folder / f"{stem}.xdf"] if streams else []
    from affectline.services.export.tables import as_table, tables, write_csv, write_parquet

    gathering = Gathering()
    made = tables(gathering.watch(read()))
    if "markers" in made:
        session = gathering.finish()
        made |= as_table("responses", responses(session.markers, session.series.values()))
    return (write_csv if to == "csv" else write_parquet)(made, folder)


def folder_of(file: Path) -> Path:
    """Where a recording's page and exports go."""
    return file if file.is_dir() else file.parent


def name(file: Path) -> str:
    """What a session is called: its folder, or the file where that has a name of its own."""
    path = file.resolve()
    return (
        path.name if path.is_dir() else (path.parent.name if path.stem == "session" else path.stem)
    )


def write(path: Path, text: str) -> None:
    """Write a file as a whole.

    Raises:
        AffectlineError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write_text(path, text)
    except OSError as error:
        raise AffectlineError(
            f"cannot write --out {path} ({error.strerror})", "make room, or name another"
        ) from error
