"""The films of an archive: from films, folders, patterns, or a table with further columns.

A table's columns ``participant``, ``session``, ``task``, ``run`` and ``condition`` become the
session's place in the study, ``start`` the date at which the film begins, ``sensors`` a table of
signals that belongs to it. All other columns are copied into the results.
"""

import csv
import glob
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from affectline.common.address import is_stored
from affectline.common.errors import AffectlineError
from affectline.common.file_access import SESSION_FILES
from affectline.common.identifiers import free_name, to_name
from affectline.common.logs import ServiceLogger
from affectline.common.model.calibration import read_calibration
from affectline.common.plural import counted
from affectline.common.settings.biometrics import SIGNALS, BiometricsSettings
from affectline.common.settings.model import explain
from affectline.common.settings.pipeline import ClassifierSettings, PipelineSettings
from affectline.common.settings.source_kind import FILM_SUFFIXES, is_picture, kind_of, source_path
from affectline.common.settings.sources import SourceSettings, as_text, name_sources
from affectline.common.settings.study import STUDY_FIELDS, StudySettings
from affectline.services.archive.stored_files import list_files, read_file

PATH_COLUMNS: Final = ("film", "path", "file", "video")
"""Possible names of the column with the films, in any case."""
START, SENSORS, SUBJECT = "start", "sensors", "participant"
CALIBRATION: Final = "calibration"
"""Column with the calibration of the film's person."""
OWN_COLUMNS: Final = (START, SENSORS, CALIBRATION)
"""Columns about the run of a film."""
TIME_COLUMNS: Final = ("time_s", "time", "timestamp")
"""Possible names of the time column, in s, of a table of sensors, if the settings give none."""

BESIDE_FILMS: Final = frozenset({
    ".csv", ".edf", ".gz", ".html", ".ini", ".json", ".jsonl", ".log", ".mcap", ".md", ".ods",
    ".parquet", ".pdf", ".srt", ".tsv", ".txt", ".vtt", ".xdf", ".xls", ".xlsx", ".xml", ".yaml",
    ".yml", ".zip",
})  # fmt: skip
"""Suffixes of files beside films, such as tables and results, that cannot be meant as films."""
LOG: Final = ServiceLogger("analyse")

LONGEST_HEADER: Final = 65_536
"""Maximum characters of the first line of a table of sensors."""


@dataclass(frozen=True)
class ListedFilm:
    """A film with its columns from the list."""

    source: str
    columns: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    """Where it is listed, such as ``films.csv, line 3``."""
    fields: dict[str, str] = field(default_factory=dict)
    """By name of an own column: the name of its field in the session; others are `to_name`'s."""


def list_films(paths: Sequence[str]) -> list[ListedFilm]:
    """Find the films that paths name.

    Args:
        paths: Films, folders (including subfolders), patterns such as ``day*/*.mp4``, tables.

    Returns:
        Each film once, in the order of first mention; those of a folder sorted by name.

    Raises:
        AffectlineError: A path names no film, or a table cannot be read.
    """
    found: dict[str, ListedFilm] = {}
    for path in paths:
        if not path.strip():
            raise AffectlineError(
                f"PATH {path!r}: empty", "name a film or a folder; . is the current folder"
            )
        for film in _expand(path):
            place = source_path(film.source)
            key = film.source if place is None else os.path.realpath(place)
            # Tables and other processes need a name that is valid text
            film = replace(film, source=as_text(film.source))
            first = found.setdefault(key, film)
            if film.columns and film.columns != first.columns:
                if first.columns:
                    raise AffectlineError(
                        f"PATH {film.origin}: {film.source} is also listed in {first.origin}, "
                        f"with different columns",
                        "list each film once",
                    )
                found[key] = film  # named before without a table, such as by a folder
    return list(found.values())


def _expand(text: str) -> Iterator[ListedFilm]:
    path = source_path(text)
    if is_stored(text):
        yield from _in_store(text)
        return
    if path is None:
        yield ListedFilm(text)
        return
    if path.is_dir():
        yield from _in_folder(path)
    elif path.suffix.lower() == ".csv":
        yield from read_film_table(path)
    elif path.exists():
        yield ListedFilm(text)
    elif glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - patterns of any root
        if not matches:
            raise AffectlineError(f"PATH {text}: matches nothing", "quote it, as in 'day*/*.mp4'")
        for match in matches:
            yield from _expand(match)
    else:
        raise AffectlineError(
            f"PATH {text}: no such file or folder",
            "name a film, a folder, a pattern, or a table of films that ends in .csv",
        )


def _in_store(address: str) -> Iterator[ListedFilm]:
    """The films at an address in a store: a film, a folder, a pattern, or a table."""
    files = list_files(address)
    if files == [address]:
        if address.lower().endswith(".csv"):
            yield from _read_films(address, read_file(address))
        else:
            yield ListedFilm(address)
        return
    found = _sort_files(files)
    _log_left_out(address, found)
    if not found.films:
        raise AffectlineError(
            f"PATH {address}: no film there (none ends in {', '.join(sorted(FILM_SUFFIXES))})",
            "name a film, or a folder with films",
        )
    for film in found.films:
        yield ListedFilm(film)


def _in_folder(folder: Path) -> Iterator[ListedFilm]:
    """The films below a folder."""
    found = find_films(folder)
    _log_left_out(str(folder), found)
    if not found.films:
        has_pictures = any(is_picture(p) for p in sorted(folder.iterdir())[:50] if p.is_file())
        raise AffectlineError(
            f"PATH {folder}: no film below it (none ends in {', '.join(sorted(FILM_SUFFIXES))})",
            "pictures are analysed by affectline up --source " + str(folder)
            if has_pictures
            else "name a folder with films",
        )
    for film in found.films:
        yield ListedFilm(film)


class FilesBelow(NamedTuple):
    """The files below a folder, sorted by what they are to an archive."""

    films: list[str]
    results: list[str]
    """Films in the folders of sessions, such as annotated ones."""
    others: list[str]

    @property
    def left_out(self) -> str:
        """What is left out, in words; empty if nothing could be meant as a film.

        Example:
            >>> FilesBelow(["f.mp4"], [], ["a.png", "b.PNG", "c.xyz", "notes.txt"]).left_out
            'left out: 3 files (.png, .xyz), which are not films by their names'
            >>> FilesBelow([], ["x/drive.mp4"], []).left_out
            'left out: 1 film in folders of sessions'
        """
        suffixes = [PurePosixPath(name).suffix.lower() for name in self.others]
        meant = [suffix or "without a suffix" for suffix in suffixes if suffix not in BESIDE_FILMS]
        texts = []
        if self.results:
            texts.append(f"{counted(len(self.results), 'film')} in folders of sessions")
        if meant:
            kinds = ", ".join(sorted(set(meant)))
            texts.append(
                f"{counted(len(meant), 'file')} ({kinds}), which are not films by their names"
            )
        return f"left out: {' and '.join(texts)}" if texts else ""


def find_films(folder: Path) -> FilesBelow:
    """The films below a folder, and the other files there, without hidden files and folders.

    Raises:
        AffectlineError: A folder cannot be read.
    """
    found: list[str] = []
    for place, folders, files in os.walk(folder, onerror=_refuse_folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = sorted(name for name in files if not name.startswith("."))
        found += [str(Path(place) / name) for name in names]
    return _sort_files(found)


def _sort_files(files: Iterable[str]) -> FilesBelow:
    """Tell films from other files, and from what is in the folders of sessions."""
    found = FilesBelow([], [], [])
    listed = list(files)
    sessions = tuple(
        file.removesuffix(name) for file in listed if (name := PurePath(file).name) in SESSION_FILES
    )
    for file in listed:
        if PurePosixPath(file).suffix.lower() not in FILM_SUFFIXES:
            found.others.append(file)
        elif file.startswith(sessions):
            found.results.append(file)
        else:
            found.films.append(file)
    return found


def _log_left_out(place: str, found: FilesBelow) -> None:
    if text := found.left_out:
        LOG.warning("%s: %s; name a film itself to analyse it", place, text)


def _refuse_folder(error: OSError) -> None:
    raise AffectlineError(
        f"PATH {error.filename}: {error.strerror}", "make it readable, or name the films themselves"
    ) from error


def read_film_table(path: Path) -> list[ListedFilm]:
    """Read a table of films; its paths are relative to its folder.

    Raises:
        AffectlineError: The table cannot be read, or has no column with films.
    """
    try:
        return _read_films(str(path), path.read_bytes())
    except OSError as error:
        raise AffectlineError(
            f"PATH {path}: {error.strerror}", "save the table as CSV in UTF-8"
        ) from error


def _read_films(path: str, content: bytes) -> list[ListedFilm]:
    """Read the content of a table of films from a path or an address."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AffectlineError(
            f"PATH {path}: not UTF-8 text", "save the table as CSV in UTF-8"
        ) from error
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _read_rows(path, reader)
    except csv.Error as error:  # such as an unclosed quotation mark
        raise AffectlineError(
            f"PATH {path}, line {reader.line_num}: {error}",
            'quote cells that contain commas or line breaks, and write " in them as ""',
        ) from error


def _read_rows(path: str, reader: Any) -> list[ListedFilm]:
    header = [name.strip() for name in next(reader, [])]
    place = next((header.index(n) for n in header if n.lower() in PATH_COLUMNS), None)
    if place is None:
        raise AffectlineError(
            f"PATH {path}: no column with films in its header ({', '.join(header) or 'empty'})",
            f"call it {' or '.join(PATH_COLUMNS)}",
        )
    meant = Counter(_meant(name) for name in header if name)
    repeated = [name for name, count in meant.items() if count > 1]
    if repeated:
        raise AffectlineError(
            f"PATH {path}: two columns are called {', '.join(sorted(repeated))}", "rename one"
        )
    special = (_meant(header[place]), *STUDY_FIELDS, *OWN_COLUMNS)
    fields = _name_fields(name for name in meant if name not in special)
    films = [
        replace(_read_row(path, reader.line_num, header, place, cells), fields=fields)
        for cells in reader
        if any(cell.strip() for cell in cells)
    ]
    if not films:
        raise AffectlineError(f"PATH {path}: lists no film", "add a row for each film")
    return films


def _name_fields(columns: Iterable[str]) -> dict[str, str]:
    """Name the session's field of each column, with a number where two would be the same."""
    ordered = sorted(columns, key=lambda name: name != to_name(name))  # those keep their own
    fields: dict[str, str] = {}
    for name in ordered:
        fields[name] = free_name(to_name(name) or "column", set(fields.values()).__contains__)
    return fields


def _read_row(path: str, line: int, header: list[str], place: int, cells: list[str]) -> ListedFilm:
    origin = f"{path}, line {line}"
    if len(cells) > len(header) or len(cells) <= place or not cells[place].strip():
        what = "no film" if len(cells) <= len(header) else f"{len(cells)} cells"
        raise AffectlineError(
            f"PATH {origin}: {what}, but the header has {len(header)} columns",
            "quote cells that contain a comma",
        )
    if any("\0" in cell for cell in cells):
        raise AffectlineError(
            f"PATH {origin}: contains something that is not text", "save the table as CSV"
        )
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    given = named.pop(header[place])
    columns = {_meant(name): cell for name, cell in named.items() if name and cell}
    for name in (SENSORS, CALIBRATION):
        if name in columns:
            columns[name] = _beside(path, columns[name])
    return ListedFilm(_beside(path, given), columns, origin)


def _meant(name: str) -> str:
    """A column's name; special names are recognized in any case."""
    return lower if (lower := name.lower()) in (*STUDY_FIELDS, *OWN_COLUMNS) else name


def _beside(table: str, text: str) -> str:
    """Resolve a path in a table: relative to its folder, unless it is an address or absolute."""
    is_path = source_path(text) is not None or not text.isdecimal()
    if "://" in text or not is_path:
        return text
    if is_stored(table):
        return f"{table.rpartition('/')[0]}/{text}"
    return str(Path(table).parent / text)


def name_films(films: Iterable[ListedFilm], known: dict[str, str]) -> dict[str, str]:
    """Name each film's session folder: the film's name, with its folders if two are the same.

    Args:
        films: All films of the archive.
        known: By source: earlier names, which stay.

    Returns:
        Names by source.
    """
    sources = [film.source for film in films]
    names = {source: known[source] for source in sources if source in known}
    taken = set(known.values())
    waiting = [source for source in sources if source not in names]
    parts = {source: _parts(source) for source in waiting}
    alike = Counter(map(tuple, parts.values()))
    for source in waiting:  # two in one folder, such as drive.mp4 and drive.mkv
        suffix = to_name(PurePosixPath(source).suffix)
        if alike[tuple(parts[source])] > 1 and suffix:
            parts[source] = [f"{parts[source][0]}-{suffix}", *parts[source][1:]]
    numbers: dict[str, int] = {}
    depth = 1
    while waiting:
        proposed = {source: _join(parts[source], depth) for source in waiting}
        counts: dict[str, int] = {}
        for name in proposed.values():
            counts[name] = counts.get(name, 0) + 1
        later = []
        for source, name in proposed.items():
            is_last = depth >= len(parts[source])
            if (counts[name] > 1 or name in taken) and not is_last:
                later.append(source)
                continue
            unique = name
            while unique in taken:  # they differ only in the suffix, or in invalid characters
                numbers[name] = numbers.get(name, 1) + 1
                unique = f"{name}-{numbers[name]}"
            names[source] = unique
            taken.add(unique)
        waiting, depth = later, depth + 1
    return {source: names[source] for source in sources}


def _parts(source: str) -> list[str]:
    """The parts of a film's path that its name can contain, nearest first."""
    path = source_path(source)
    if is_stored(source):
        place = PurePosixPath(source.partition("://")[2])
        named = [place.stem, *(parent.name for parent in place.parents)]
        return [made for name in named if (made := to_name(name))] or ["film"]
    if path is None:
        return [to_name(source.partition("://")[2]) or "film"]
    path = path.absolute()
    named = [path.stem, *(parent.name for parent in path.parents)]
    return [made for name in named if (made := to_name(name))] or ["film"]


def _join(parts: list[str], depth: int) -> str:
    return "-".join(reversed(parts[:depth]))[-64:].strip("._-") or "film"


def settings_for(film: ListedFilm, settings: PipelineSettings) -> PipelineSettings:
    """The settings for the run of one film.

    Args:
        film: The film.
        settings: Settings of the archive.

    Raises:
        AffectlineError: A column has an invalid value.
    """
    try:
        (named,) = name_sources([film.source])
        start = film.columns.get(START)
        source = SourceSettings.model_validate(
            {**named.model_dump(), **({} if start is None else {"start": start})}
        )
        study = StudySettings.model_validate(_study(film, settings))
    except ValidationError as error:
        raise AffectlineError(
            f"PATH {film.origin or film.source}: {explain(error)}",
            "correct the cell, or leave it empty",
        ) from error
    if kind_of(film.source) in ("camera", "stream"):
        raise AffectlineError(
            f"PATH {film.source}: a camera or network stream, which never ends",
            "archives consist of films; watch it with affectline up",
        )
    changes: dict[str, Any] = {"sources": (source,), "study": study}
    if SENSORS in film.columns:
        sensors = _sensors(film, settings)
        others = [one for one in settings.biometrics if one.driver != "csv"]
        changes["biometrics"] = (sensors, *others)
    if CALIBRATION in film.columns:
        changes["classifier"] = _calibrated(film, settings)
    return settings.model_copy(update=changes)


def _calibrated(film: ListedFilm, settings: PipelineSettings) -> ClassifierSettings:
    try:
        calibration = read_calibration(Path(film.columns[CALIBRATION]))
        calibration.require_person(film.columns.get(SUBJECT) or settings.study.participant)
    except AffectlineError as error:
        problem = error.problem.removeprefix("--calibration ")
        raise AffectlineError(f"PATH {film.origin}: {problem}", error.fix) from error
    return settings.classifier.model_copy(update={"calibration": calibration})


def _study(film: ListedFilm, settings: PipelineSettings) -> dict[str, Any]:
    study = settings.study.model_dump()
    own = dict(study["fields"])
    for name, text in film.columns.items():
        if name in STUDY_FIELDS:
            study[name] = text
        elif name not in OWN_COLUMNS:
            own[film.fields.get(name) or to_name(name) or "column"] = text
    return {**study, "fields": own}


def _sensors(film: ListedFilm, settings: PipelineSettings) -> BiometricsSettings:
    """A film's table of sensors, read as the settings say, or by its column names."""
    subject = to_name(film.columns.get(SUBJECT, "")) or "person"
    given = next((one for one in settings.biometrics if one.driver == "csv"), None)
    path = Path(film.columns[SENSORS])
    if given is not None:
        changes = {"file": path}
        if SUBJECT in film.columns:
            changes["subject"] = subject  # type: ignore[assignment]
        return given.model_copy(update=changes)
    header = _header_of(path, film.origin)
    columns = {
        name: {"signal": name, "unit": SIGNALS[name].unit} for name in header if name in SIGNALS
    }
    time = next((name for name in header if name in TIME_COLUMNS), None)
    if not columns or time is None:
        raise AffectlineError(
            f"PATH {film.origin}: sensors {path}: its columns ({', '.join(header)}) do not include "
            f"{TIME_COLUMNS[0]} and a signal ({', '.join(SIGNALS)})",
            "describe them in a settings file, biometrics: [{driver: csv, ...}], and name it "
            "with --config",
        )
    content = {
        "driver": "csv", "subject": subject, "file": path, "time_column": time, "columns": columns
    }  # fmt: skip
    return BiometricsSettings.model_validate(content)


def _header_of(path: Path, origin: str) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            line = file.readline(LONGEST_HEADER)
        cells = next(csv.reader([line], delimiter=max(",;\t", key=line.count)), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        reason = "not CSV" if isinstance(error, csv.Error) else reason
        raise AffectlineError(
            f"PATH {origin}: sensors {path}: {reason}", "name a readable table"
        ) from error
    return [name.strip() for name in cells]
