"""Analyses one film of an archive; film and results may be in object stores."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from affectline.common import atomic_file
from affectline.common.address import is_stored
from affectline.common.errors import AffectlineError
from affectline.common.runtime.stage import Stage
from affectline.common.settings.source_kind import source_path
from affectline.services.archive.film_task import (
    RESULT,
    FilmResult,
    FilmTask,
    Report,
    analyse_film,
)
from affectline.services.archive.stored_files import StoredFolder, fetched
from affectline.services.capture.creation_time import read_creation_time
from affectline.services.capture.frame_source import Source
from affectline.services.capture.sources import open_source

Open = Callable[[], Mapping[str, Source]]


def run_film(
    task: FilmTask,
    report: Report = lambda _done, _total: None,
    *,
    is_alone: bool = True,
    prepare: Callable[[Stage], None] = lambda _: None,
) -> FilmResult:
    """Analyse a film in this process, downloading the film and uploading the results if needed.

    Args:
        task: The film.
        report: Called with the progress.
        is_alone: No other process can work on the same film. On a cluster one can: a process that
            is presumed dead, on a host that does not answer. Each then works in its own folder, and
            the last complete folder stays.
        prepare: Called with every stage of the run before it is set up.

    Raises:
        OSError: The results cannot be written.
    """
    try:
        with _local_film(task) as (local, opened), _own_folder(local, is_alone=is_alone) as placed:
            result = analyse_film(placed, report, opened, prepare)
            if result.has_session and placed.folder != task.folder:
                _bring_away(task, placed.folder)
    except AffectlineError as error:
        return FilmResult(
            name=task.name, source=task.source, columns=task.columns, problem=str(error)
        )
    return result


@contextmanager
def _local_film(task: FilmTask) -> Iterator[tuple[FilmTask, Open]]:
    """The task, and a function that opens its film if it had to be downloaded."""
    (source,) = task.settings.sources
    if not is_stored(source.source):
        yield task, dict
        return
    with fetched(source.source) as local:
        found = source.model_copy(update={"source": str(local)})
        if source.start == "file":
            begun = datetime.fromtimestamp(read_creation_time(str(local)) / 1e9, UTC)
            source = source.model_copy(update={"start": begun})
        settings = task.settings.model_copy(update={"sources": (source,)})
        yield (
            task.model_copy(update={"settings": settings}),
            lambda: {source.name: open_source(found, settings.capture)},
        )


@contextmanager
def _own_folder(task: FilmTask, *, is_alone: bool) -> Iterator[FilmTask]:
    """The task, with a session folder for this attempt only."""
    if task.upload:
        with tempfile.TemporaryDirectory(prefix="affectline-") as scratch:
            yield task.model_copy(update={"folder": Path(scratch) / task.name})
        return
    if is_alone:
        yield task
        return
    own = task.folder.with_name(f".{task.name}.{secrets.token_hex(4)}")
    try:
        yield task.model_copy(update={"folder": own})
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _bring_away(task: FilmTask, done: Path) -> None:
    if task.upload:
        StoredFolder(task.upload).upload(done, last=RESULT)
        return
    shutil.rmtree(task.folder, ignore_errors=True)
    atomic_file.rename(done, task.folder)


@contextmanager
def film_path(task: FilmTask) -> Iterator[Path]:
    """Local path of a film; a film in a store is downloaded for the duration of the context."""
    (source,) = task.settings.sources
    if is_stored(source.source):
        with fetched(source.source) as local:
            yield local
    else:
        yield source_path(source.source) or Path(source.source)


def remove_remains(task: FilmTask) -> None:
    """Remove leftovers of killed attempts at a film."""
    attempt = f"{task.name}.{'[0-9a-f]' * 8}"
    for pattern in (f".{attempt}", f"..{attempt}.part"):
        for left in task.folder.parent.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
