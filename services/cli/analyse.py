"""``affectline analyse``: many films at once."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectline.services.cli.options import (
    CalibrationFile,
    ConfigFile,
    DetectorName,
    GroupAccess,
    PrivacyMode,
    read_settings,
    with_calibration,
    with_detector,
    with_overrides,
    with_recording_overrides,
)

if TYPE_CHECKING:
    from affectline.common.settings.pipeline import PipelineSettings
    from affectline.services.archive.archive import Archive, Observe
    from affectline.services.archive.engine import Engine
    from affectline.services.archive.film_list import ListedFilm
    from affectline.services.archive.film_task import FilmResult


class EngineName(StrEnum):
    """What runs the films."""

    LOCAL = "local"
    RAY = "ray"


def analyse(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Films, folders of films, patterns such as 'day*/*.mp4', or a table (.csv) with a "
            "column film and columns of your own.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the results, also s3://BUCKET/FOLDER.  [default: analysis-<time>]",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Films at a time.  [default: one a core]")
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Work here, or on the Ray cluster at $RAY_ADDRESS.")
    ] = EngineName.LOCAL,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume --out: analyse only what is missing.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Also record frames and results to session.mcap.")
    ] = False,
    privacy: PrivacyMode = None,
    group_access: GroupAccess = False,
    detector: DetectorName = None,
    calibration: CalibrationFile = None,
    config_file: ConfigFile = None,
) -> None:
    """Analyse many films: a session folder for each, and one table over all of them.

    A bad film does not stop the others: failed.csv says what was wrong, and the exit code is 1.

    Example: affectline analyse films.csv --out results
    """
    from affectline.common.errors import AffectlineError
    from affectline.services.archive.film_list import list_films

    if resume and out is None:
        raise AffectlineError("--resume without --out", "name the folder to resume")
    settings = read_settings(config_file)
    settings = with_overrides(
        settings,
        recording=with_recording_overrides(settings.recording, record=record, privacy=privacy),
        detector=with_detector(settings.detector, detector),
        classifier=with_calibration(settings.classifier, calibration, settings.study.participant),
        sink=with_overrides(settings.sink, group_access=group_access or None),
    )
    folder = out or time.strftime("analysis-%Y%m%d-%H%M%S")
    archive = _open_archive(folder, list_films(paths), settings, resume=resume)
    chosen = _open_engine(engine, workers)
    count = len(archive.tasks)
    typer.echo(f"{count} film{'s' * (count > 1)} into {folder}: {chosen.description}", err=True)
    for task in archive.changed:
        typer.echo(
            f"{task.source}: changed, incomplete, or analysed with other settings: analysed again",
            err=True,
        )
    if archive.unnamed:
        names = ", ".join(archive.unnamed[:5]) + (", ..." if len(archive.unnamed) > 5 else "")
        typer.echo(
            f"{len(archive.unnamed)} sessions of films that are not listed now stay, and are not "
            f"in the tables ({names})",
            err=True,
        )
    if resume:
        typer.echo(f"{len(archive.done)} of {count} are done", err=True)
    try:
        with _watched(archive) as observe:
            results = archive.run(chosen, observe)
    except KeyboardInterrupt:
        left = len(archive.waiting)
        typer.echo(
            f"\naffectline: {left} of {count} films are left; resume with the same command and "
            f"--out {folder} --resume",
            err=True,
        )
        raise typer.Exit(130) from None
    print_end(archive, results)
    raise typer.Exit(1 if any(one.problem for one in results) else 0)


def _open_archive(
    folder: str, films: "list[ListedFilm]", settings: "PipelineSettings", *, resume: bool
) -> "Archive":
    from affectline.common.address import is_stored
    from affectline.common.settings.source_kind import source_path
    from affectline.services.archive.archive import Archive
    from affectline.services.archive.stored_archive import StoredArchive

    if is_stored(folder):
        return StoredArchive(folder, films, settings, resume=resume)
    return Archive(source_path(folder) or Path(folder), films, settings, resume=resume)


def _open_engine(name: EngineName, workers: int | None) -> "Engine":
    from affectline.services.archive.local_engine import LocalEngine
    from affectline.services.archive.ray_engine import RayEngine

    return LocalEngine(workers) if name is EngineName.LOCAL else RayEngine(workers)


@contextmanager
def _watched(archive: "Archive") -> "Iterator[Observe]":
    """A bar over the frames of all films, and a line for each film that fails."""
    from affectline.common.logs import terminal
    from affectline.services.archive.film_task import FilmResult
    from affectline.services.archive.frame_count import FrameCount
    from affectline.services.sessions.progress import new_progress

    count, console = FrameCount(archive.waiting), terminal()
    films, finished = len(archive.waiting), 0
    with new_progress(console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"0/{films} films", total=None)

        def observe(message: object) -> None:
            nonlocal finished
            count.observe(message)  # type: ignore[arg-type]
            if isinstance(message, FilmResult):
                finished += 1
                kept = f" ({message.frames} frames are kept)" if message.has_session else ""
                text = f"{message.problem}{kept}" if message.problem else message.remark
                if text:
                    console.print(text, markup=False, highlight=False, soft_wrap=True)
            progress.update(
                bar,
                completed=count.done,
                total=count.total,
                description=f"{finished}/{films} films",
            )

        yield observe


def print_end(archive: "Archive", results: "list[FilmResult]") -> None:
    """Report what was analysed, what failed, and where the tables are."""
    from affectline.common.address import is_stored
    from affectline.services.sessions.catalog import format_length

    failed = sum(1 for one in results if not one.has_session)
    partial = sum(1 for one in results if one.has_session and one.problem)
    frames = sum(one.frames for one in results)
    length = format_length(sum(one.seconds for one in results))
    done = len(results) - failed - partial
    typer.echo(
        f"{done} film{'s' * (done != 1)} analysed, {partial} in part, {failed} failed: "
        f"{frames} frames, {length} of film"
    )
    typer.echo("Files:")
    for name in ("summary.csv", "summary.parquet", "failed.csv"):
        if (archive.folder / name).exists():
            here = os.path.relpath(archive.folder / name)
            typer.echo(f"  {archive.place}/{name}" if is_stored(archive.place) else f"  {here}")
