"""Removes old sessions, a named one, or those of a person; crash-safe and logged without the data.

A session is first renamed to a hidden name, so that it disappears completely or not at all;
leftovers of a crash are removed the next time. Each removal adds a line to `LOG`, which identifies
the session only by a hash of its name: the line can be found by name but does not reveal it.
"""

import csv
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, Literal

from rich.box import SIMPLE
from rich.console import Console

from affectline.common.errors import AffectlineError
from affectline.common.file_lock import is_locked, try_lock
from affectline.common.model.calibration import CALIBRATION_FILE
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.settings.recording import RetentionSettings
from affectline.common.text_table import text_table
from affectline.services.sessions.columns import EMOTIONS, SAMPLES, SESSION_TABLES, STATES
from affectline.services.sessions.run_summary import read_session

LOG: Final = "deletions.jsonl"
"""Log in the sessions folder with a line for each removal."""
HIDDEN: Final = ".affectline-deleting-"
"""Name prefix of folders that are being removed."""
REPORT: Final = "report.html"
IN_USE_S: Final = 5.0
"""A session written to this recently, in s, is still being written."""
KEPT_TABLES: Final = (
    "session.json", CALIBRATION_FILE, *(f"{table.name}.csv" for table in SESSION_TABLES)
)  # fmt: skip
"""Files that stay if a session's tables are kept."""
DAY_S: Final = 86_400.0

Reason = Literal["age", "command", "person", "page", "left over"]
"""Why something was removed: by age, by the command, by the command for a person's sessions, on the
page, or as the leftover of a crash."""


@dataclass(frozen=True)
class Removal:
    """What to remove of a session."""

    session: Path
    entries: tuple[Path, ...]
    """Files and folders in it to remove."""
    is_whole: bool
    """True: the whole session is removed; False: its tables stay."""
    files: int
    bytes: int
    written_at: float
    """Time of the last write, in s since the Unix epoch."""
    subjects: tuple[str, ...] = ()
    """Named persons in the session, if the caller needs them."""
    in_use: str = ""
    """Why it cannot be removed now; empty if it can."""

    def describe(self) -> dict[str, Any]:
        """The removal as JSON values."""
        return {
            "session": str(self.session), "files": self.files, "bytes": self.bytes,
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.written_at)),
            "keeps_tables": not self.is_whole, "subjects": list(self.subjects),
            "in_use": self.in_use or None,
        }  # fmt: skip


class SessionRemover:
    """Removes sessions from one folder, and nothing else.

    Args:
        folder: The folder that holds session folders.
        in_use: Returns the names of sessions that must stay, and why.
    """

    def __init__(self, folder: Path, in_use: Callable[[], dict[str, str]] = dict) -> None:
        self.folder = folder
        self._in_use = in_use

    def find_older(self, age_s: float, *, keep_tables: bool) -> list[Removal]:
        """What to remove of the sessions whose last write is at least this many seconds ago.

        Raises:
            AffectlineError: The folder does not exist.
        """
        now = time.time()
        found = (self._plan(path, keep_tables=keep_tables) for path in self._sessions())
        return [one for one in found if one.entries and now - one.written_at >= age_s]

    def find_of_subject(self, subject: str) -> list[Removal]:
        """The sessions that contain a person, each as a whole.

        Raises:
            AffectlineError: The folder does not exist.
        """
        found = (self._plan(path) for path in self._sessions())
        named = (replace(one, subjects=find_subjects(one.session)) for one in found)
        return [one for one in named if subject in one.subjects]

    def find_named(self, name: str) -> Removal:
        """One session, by its name or its path.

        Raises:
            AffectlineError: It does not exist, is not a session, or is outside the folder.
        """
        path = Path(name)
        within = path.parent == Path() or path.parent.resolve() == self.folder.resolve()
        if not within or path.name in ("", ".", ".."):
            raise AffectlineError(
                f"SESSION {name}: not in the sessions folder {self.folder}",
                f"--folder {path.parent}, if that holds sessions",
            )
        path = self.folder / path.name
        if path.is_symlink() or not path.is_dir():
            raise AffectlineError(
                f"SESSION {name}: there is no session of that name in {self.folder}",
                "affectline sessions lists them",
            )
        if not is_session(path):
            raise AffectlineError(
                f"SESSION {name}: not a session folder written by Affectline",
                "remove it yourself, if you know what it is",
            )
        return self._plan(path)

    def remove(self, removal: Removal, why: Reason) -> None:
        """Remove a session or a part of it, and log the removal.

        Raises:
            AffectlineError: The session is in use, or it cannot be removed.
        """
        name = removal.session.name
        try:
            with locked_folder(self.folder):
                self._remove_leftovers()
                with locked_recording(removal.session):
                    if reason := self._find_use(removal.session):
                        raise AffectlineError(
                            f"session {name} {reason}", "wait until that has ended"
                        )
                    hidden = self._hide(removal)
                self._destroy(hidden, removal, why)
        except OSError as error:
            raise AffectlineError(
                f"session {name} cannot be deleted ({error.strerror})", "check the permissions"
            ) from error

    def remove_leftovers(self) -> None:
        """Remove leftovers of crashes; those that cannot be removed stay until the next time."""
        with suppress(OSError), locked_folder(self.folder):
            self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        for path in self.folder.iterdir():
            if path.name.startswith(HIDDEN) and path.is_dir() and not path.is_symlink():
                code = path.name.removeprefix(HIDDEN).partition("-")[0]
                files, size, _ = measure([path])
                with suppress(OSError):
                    shutil.rmtree(path)
                    self._log(code, files, size, is_whole=True, why="left over")

    def _hide(self, removal: Removal) -> Path:
        """Move everything to remove into one hidden folder, and return that folder."""
        code = hash_name(removal.session.name)
        hidden = self.folder / f"{HIDDEN}{code}-{time.time_ns()}"
        if removal.is_whole:
            removal.session.rename(hidden)
            return hidden
        hidden.mkdir(mode=0o700)
        for entry in removal.entries:
            entry.rename(hidden / entry.name)
        return hidden

    def _destroy(self, hidden: Path, removal: Removal, why: Reason) -> None:
        def log() -> None:
            code = hash_name(removal.session.name)
            self._log(code, removal.files, removal.bytes, is_whole=removal.is_whole, why=why)

        try:
            log()
        except OSError:  # the disk is full; removing first makes room
            shutil.rmtree(hidden)
            log()
        else:
            shutil.rmtree(hidden)

    def _log(self, code: str, files: int, size: int, *, is_whole: bool, why: Reason) -> None:
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "session": code, "files": files,
            "bytes": size, "kept": "nothing" if is_whole else "tables", "why": why,
        }  # fmt: skip
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.folder / LOG, flags, 0o600)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sessions(self) -> Iterator[Path]:
        if not self.folder.is_dir():
            raise AffectlineError(
                f"FOLDER {self.folder}: no such folder",
                "name the folder that holds session folders",
            )
        for path in sorted(self.folder.iterdir()):
            if not path.name.startswith(".") and is_session(path):
                yield path

    def _plan(self, path: Path, *, keep_tables: bool = False) -> Removal:
        entries: list[Path] = []
        with suppress(OSError):
            entries = sorted(path.iterdir())
        kept = [entry for entry in entries if keep_tables and entry.name in KEPT_TABLES]
        going = [entry for entry in entries if entry not in kept]
        files, size, _ = measure(going)
        written_at = measure(path / name for name in (FILE, *KEPT_TABLES))[2]
        return Removal(
            session=path,
            entries=tuple(going),
            is_whole=not kept,
            files=files,
            bytes=size,
            written_at=written_at or path.stat().st_mtime,
            in_use=self._find_use(path),
        )

    def _find_use(self, path: Path) -> str:
        """Why a session cannot be removed now; empty if it can."""
        if reason := self._in_use().get(path.name):
            return reason
        now = time.time()
        for file in path.rglob("*"):
            with suppress(OSError):
                if file.name != REPORT and abs(now - file.lstat().st_mtime) < IN_USE_S:
                    return "is still being written"
        # Comes last: a recorder that starts at this moment must not find the file locked
        return "is being recorded" if is_locked(path / FILE) else ""


def is_session(path: Path) -> bool:
    """Whether Affectline has written a session into a folder."""
    if path.is_symlink() or not path.is_dir():
        return False
    with suppress(AffectlineError):
        if (path / FILE).is_file() and not (path / FILE).is_symlink():
            with SessionReader(path / FILE):
                return True
    with suppress(OSError, ValueError):
        session = read_session(path)
        if isinstance(session, dict) and {"streams", "checkpoint"} <= session.keys():
            return True
    table = path / "emotions.csv"
    with suppress(OSError, ValueError, csv.Error), table.open(newline="") as file:
        return EMOTIONS.columns_of(next(csv.reader(file), [])) is not None
    return False


def find_subjects(path: Path) -> tuple[str, ...]:
    """The named persons of a session, from its tables, its recording and its settings."""
    found: set[str] = set()
    for table in (SAMPLES, STATES):
        found |= _subjects_of_table(path / f"{table.name}.csv")
    with suppress(OSError, ValueError):
        session: Any = read_session(path)
        found |= _named_in(session.get("settings") if isinstance(session, dict) else None)
    with suppress(AffectlineError):
        if (path / FILE).is_file():
            with SessionReader(path / FILE) as reader:
                found |= _named_in(reader.about.get("settings"))
                topics = (topic.split("/") for topic in reader.topics())
                found |= {parts[1] for parts in topics if parts[0] in ("bio", "state")}
    return tuple(sorted(found - {""}))


def _subjects_of_table(path: Path) -> set[str]:
    found: set[str] = set()
    with suppress(OSError, ValueError, csv.Error), path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.add(row.get("subject") or "")
    return found


def _named_in(settings: Any) -> set[str]:
    """Subjects that settings name."""
    found: set[Any] = set()
    with suppress(AttributeError, KeyError, TypeError):
        found |= {sensor["subject"] for sensor in settings.get("biometrics") or ()}
        fusion = settings.get("fusion") or {}
        found |= {fusion.get("subject"), *(fusion.get("streams") or {}).values()}
    return {name for name in found if isinstance(name, str)}


def measure(paths: Iterable[Path]) -> tuple[int, int, float]:
    """Number of files, their bytes, and the time of the last write in s since the Unix epoch.

    Args:
        paths: Files and folders; links are neither followed nor counted.
    """
    files, size, newest = 0, 0, 0.0
    for path in paths:
        within = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
        for file in (path, *within):
            with suppress(OSError):  # removed meanwhile, or missing
                status = file.lstat()
                if S_ISREG(status.st_mode):
                    files, size = files + 1, size + status.st_size
                    newest = max(newest, status.st_mtime)
    return files, size, newest


@contextmanager
def locked_recording(session: Path) -> Iterator[None]:
    """Keep new recorders from writing to a session; one that already does is left alone."""
    with ExitStack() as stack:
        with suppress(OSError):
            file = stack.enter_context((session / FILE).open("rb"))
            try_lock(file, shared=True)
        yield


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Lock a folder, so that one process at a time removes something from it.

    Raises:
        OSError: The folder is missing or unreadable.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hash_name(name: str) -> str:
    """The first 16 hex digits of the SHA-256 of a session's name, which identify it in the log."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]


def print_removals(found: list[Removal], subject: str | None = None) -> None:
    """Print what will be removed.

    Args:
        found: The sessions.
        subject: The person whose sessions they are, if they were found by person.
    """
    console = Console(markup=False, emoji=False, soft_wrap=True, highlight=False)
    if not found:
        console.print("nothing to remove")
        return
    table = text_table(
        "session", "last written", "files", "size", "goes", "holds",
        figures=("last written", "files", "size"), box=SIMPLE, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for one in found:
        table.add_row(
            one.session.name, time.strftime("%Y-%m-%d %H:%M", time.localtime(one.written_at)),
            str(one.files), f"{one.bytes / 1e6:.1f} MB",
            one.in_use or ("all of it" if one.is_whole else "all but its tables"),
            ", ".join(one.subjects),
        )  # fmt: skip
    console.print(table)
    size = sum(one.bytes for one in found) / 1e6
    console.print(f"sessions: {len(found)}, {size:.1f} MB")
    others = {name for one in found for name in one.subjects} - {subject}
    if subject is not None and others:
        console.print(f"these sessions hold {', '.join(sorted(others))} as well")


def parse_age(text: str) -> float:
    """An age such as ``30d`` in seconds.

    Raises:
        AffectlineError: The text is not an age.
    """
    units = {"h": 3600.0, "d": DAY_S, "w": 7 * DAY_S}
    with suppress(ValueError):
        if text[-1:] in units:
            seconds = float(text[:-1]) * units[text[-1]]
            if 0 < seconds < float("inf"):
                return seconds
    raise AffectlineError(f"--older-than {text}: not an age", "hours, days or weeks: 12h, 30d, 4w")


def apply_retention(
    retention: RetentionSettings, folder: Path, in_use: Callable[[], dict[str, str]] = dict
) -> str:
    """Remove the sessions whose retention time has passed.

    Args:
        retention: The settings.
        folder: The folder of the sessions; it need not exist.
        in_use: Returns the names of sessions that must stay, and why.

    Returns:
        What was done, in one line; empty if nothing was.
    """
    if retention.days is None or not folder.is_dir():
        return ""
    remover = SessionRemover(folder, in_use)
    remover.remove_leftovers()
    removed: list[Removal] = []
    problems: list[str] = []
    old: list[Removal] = []
    with suppress(OSError):
        old = remover.find_older(retention.days * DAY_S, keep_tables=retention.keep_tables)
    for one in old:
        try:
            if not one.in_use:
                remover.remove(one, "age")
                removed.append(one)
        except AffectlineError as error:
            problems.append(error.problem)
    parts = []
    if removed:
        what = "removed but for their tables" if retention.keep_tables else "removed"
        size = sum(one.bytes for one in removed) / 1e6
        older = f"older than {retention.days:g} days"
        parts.append(f"sessions {older} that were {what}: {len(removed)} ({size:.1f} MB)")
    return "; ".join([*parts, *problems])
