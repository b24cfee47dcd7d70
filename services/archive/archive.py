"""An archive: tracks which films are done, and runs the others."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from affectline.common import atomic_file, file_access
from affectline.common.address import is_stored
from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.json_text import parse_json
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.source_kind import source_path
from affectline.services.archive.engine import Engine, FilmProgress
from affectline.services.archive.film_list import ListedFilm, name_films, settings_for
from affectline.services.archive.film_task import FilmResult, FilmTask, read_result
from affectline.services.archive.results import RESERVED, write_results
from affectline.services.archive.stored_files import StoredFile, stat_files

INDEX: Final = "archive.json"
"""File with the name of each film, so that names stay the same when the archive is resumed."""
SESSIONS: Final = "sessions"
SUMMARIES_S: Final = 30.0
"""How often the tables are rewritten during a run, so that they can be read meanwhile."""

Observe = Callable[[FilmProgress | FilmResult], None]


class Archive:
    """A folder with a session folder for each film, and the tables over all of them.

    Args:
        folder: The folder; created if missing.
        films: The films of the archive.
        settings: Settings of the analysis.
        resume: Keep existing results. Otherwise the folder must be new or empty.

    Raises:
        AffectlineError: The folder holds something else, or a film's columns are invalid.
    """

    def __init__(
        self,
        folder: Path,
        films: Iterable[ListedFilm],
        settings: PipelineSettings,
        *,
        resume: bool,
    ) -> None:
        self.folder = folder
        self.place = str(folder)
        """Where the results are, for messages."""
        listed = list(films)
        for film in listed:
            _refuse_reserved(film)
        self._known = self._read_names(resume=resume)
        names = name_films(listed, self._known)
        addresses = [film.source for film in listed if is_stored(film.source)]
        stored = dict(zip(addresses, stat_files(addresses), strict=True)) if addresses else {}
        self.tasks = [
            _make_task(film, names[film.source], folder / SESSIONS, settings, stored)
            for film in listed
        ]
        self.done = {
            task.name: found
            for task in self.tasks
            if (found := read_result(task, is_here=self._is_here))
        }
        """By name: results of films that were already analysed and have not changed."""
        self.changed = [
            task for task in self.tasks if task.name not in self.done and task.folder.exists()
        ]
        """Films to analyse again, because the film or the settings changed or its session is
        incomplete."""
        present = {task.name for task in self.tasks}
        self.unnamed = sorted(
            name for name in self._known.values()
            if name not in present and (folder / SESSIONS / name).is_dir()
        )  # fmt: skip
        """Sessions of films that are no longer listed: they stay, but are in no table."""
        self._group = settings.sink.group_access

    _is_here = True
    """Whether session folders are on this machine and can be checked."""

    @property
    def waiting(self) -> list[FilmTask]:
        """The films still to be analysed."""
        return [task for task in self.tasks if task.name not in self.done]

    def run(self, engine: Engine, observe: Observe = lambda _: None) -> list[FilmResult]:
        """Analyse the films that are not done, and write the tables.

        Args:
            engine: The engine that runs them.
            observe: Called with each of its messages.

        Returns:
            The result of every film, in the order of the list.
        """
        with ExitStack() as stack:
            stack.enter_context(file_access.restricted(group=self._group))
            file_access.make_folder(self.folder)
            stack.enter_context(self._alone())
            self._write_index()
            file_access.make_folder(self.folder / SESSIONS)
            next_tables = time.monotonic() + SUMMARIES_S
            try:
                for message in engine.run(self.waiting):
                    if isinstance(message, FilmResult):
                        self.done[message.name] = message
                    observe(message)
                    if time.monotonic() >= next_tables:
                        self.write_tables()
                        next_tables = time.monotonic() + SUMMARIES_S
            finally:
                self.write_tables()
        return self.results

    @property
    def results(self) -> list[FilmResult]:
        """The available results, in the order of the list of films."""
        return [self.done[task.name] for task in self.tasks if task.name in self.done]

    def write_tables(self) -> list[Path]:
        """Write the tables over all analysed films."""
        return write_results(self.folder, self.results)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the archive against other processes; the lock of a killed process is released."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            if not try_lock(folder):
                raise AffectlineError(
                    f"--out {self.place}: another affectline analyse is running there",
                    "wait until it has finished, or name another folder",
                )
            yield
        finally:
            os.close(folder)

    def _read_names(self, *, resume: bool) -> dict[str, str]:
        index = self.folder / INDEX
        if not self.folder.exists():
            return {}
        if not self.folder.is_dir():
            raise AffectlineError(f"--out {self.folder}: not a folder", "name a new one")
        if not any(self.folder.iterdir()):
            return {}
        if not index.is_file():
            raise AffectlineError(
                f"--out {self.folder}: not empty and not an archive (no {INDEX})",
                "name a new folder",
            )
        if not resume:
            raise AffectlineError(
                f"--out {self.folder}: an archive already exists there",
                "resume it with --resume, or name a new folder",
            )
        try:
            names: Any = parse_json(index.read_text(encoding="utf-8"))["names"]
            return {str(source): str(name) for source, name in names.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AffectlineError(
                f"--out {self.folder}: its {INDEX} cannot be read",
                "name a new folder, or remove that file; its films are then analysed again",
            ) from error

    def _write_index(self) -> None:
        # Films no longer listed keep their names, so that no other session takes their place
        names = self._known | {task.source: task.name for task in self.tasks}
        content = {"names": names, "written": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        atomic_file.write_text(self.folder / INDEX, json.dumps(content, indent=1))


def _refuse_reserved(film: ListedFilm) -> None:
    """Refuse columns named like a measure, because one would hide the other."""
    for name in film.columns:
        if name in RESERVED:
            raise AffectlineError(
                f"PATH {film.origin}: a column is called {name}, like a column of the summary",
                "call it participant" if name == "subject" else f"rename it, for example my_{name}",
            )


def _make_task(
    film: ListedFilm,
    name: str,
    sessions: Path,
    settings: PipelineSettings,
    stored: Mapping[str, StoredFile | None],
) -> FilmTask:
    path = source_path(film.source)
    size = modified = None
    if is_stored(film.source):
        if told := stored[film.source]:  # as below: fetching it will report the problem
            _, size, modified = told
        film_source = film.source
    elif path is not None:
        try:
            found = path.stat()
            size, modified = found.st_size, found.st_mtime_ns
        except OSError:
            pass  # opening it will report the problem, in its row of failed.csv
        film_source = str(path.absolute())
    else:
        film_source = film.source
    chosen = settings_for(replace(film, source=film_source), settings)
    return FilmTask(
        name=name,
        source=film.source,
        settings=chosen,
        folder=(sessions / name).absolute(),
        columns=film.columns,
        size=size,
        modified=modified,
        sensors=tuple(_stamps(chosen)),
    )


def _stamps(settings: PipelineSettings) -> Iterator[tuple[int, int]]:
    """Size and modification time of each file that sensors are read from."""
    for sensor in settings.biometrics:
        named = getattr(sensor, "file", None) or getattr(sensor, "folder", None)
        if named is None:
            continue
        for path in sorted(named.rglob("*")) if named.is_dir() else (named,):
            with suppress(OSError):  # reading it will report the problem
                found = path.stat()
                yield found.st_size, found.st_mtime_ns
