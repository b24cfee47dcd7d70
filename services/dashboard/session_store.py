"""The sessions folder; all of the dashboard's access goes through here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.recording.reader import FILE as RECORDING
from affectline.common.recording.reader import SessionReader
from affectline.common.settings.recording import RetentionSettings
from affectline.services.sessions import catalog
from affectline.services.sessions.edits import FILE as EDITS
from affectline.services.sessions.edits import SessionEdits, read_edits, write_edits
from affectline.services.sessions.removal import REPORT, SessionRemover, apply_retention
from affectline.services.sessions.run_summary import read_session
from affectline.services.supervisor.process import BackgroundCommand

STOP_PATIENCE_S: Final = 5.0
NEWEST: Final = 20
"""How many of the newest sessions may be that of the run that has just finished."""
NAMES: Final = TypeAdapter[str](Name)
ARGUMENT: Final = "FILE "
"""What errors about a session begin with, which name the argument of a command."""
ReportState = Literal["ready", "generating", ""]


class SessionStore:
    """The sessions below one folder.

    Args:
        folder: The folder; it need not exist yet.
        in_use: Returns the names of sessions that must not be deleted, and why.
    """

    def __init__(self, folder: Path, in_use: Callable[[], dict[str, str]] = dict) -> None:
        self.folder = folder.absolute()
        self._in_use = in_use
        self._reports: dict[str, BackgroundCommand] = {}
        self._editing = Lock()
        """Several pages may annotate at once."""

    def path(self, name: str) -> Path:
        """The folder of a session, existing or not: a direct child of the sessions folder.

        Raises:
            AffectlineError: The name is invalid, or points outside the sessions folder.
        """
        try:
            NAMES.validate_python(name)
        except ValidationError as error:
            raise AffectlineError(
                f"{name[:80]!r} is not a valid session name",
                "letters, digits, '.', '_' and '-', beginning with a letter or a digit, at most 64",
            ) from error
        path = self.folder / name
        if path.is_symlink() or path.resolve().parent != self.folder.resolve():
            raise AffectlineError(
                f"session {name}: not in the sessions folder", "choose another name"
            )
        return path

    def find(self, name: str) -> Path:
        """The folder of an existing session.

        Raises:
            AffectlineError: The session does not exist.
        """
        path = self.path(name)
        if not path.is_dir():
            raise AffectlineError(f"there is no session {name}", "it may have been deleted")
        return path

    def find_recorded(self, name: str) -> Path:
        """The folder of an existing session with a recording.

        Raises:
            AffectlineError: The session does not exist, or was not recorded.
        """
        path = self.find(name)
        if not self.is_recorded(name):
            raise AffectlineError(
                f"session {name} has no recording", "only recorded sessions can be replayed"
            )
        return path

    def explain(self, name: str, error: AffectlineError | OSError) -> str:
        """Say for the page why a session cannot be read: without paths, and words of commands."""
        if isinstance(error, OSError):
            return f"session {name}: cannot be read ({error.strerror or error})"
        is_of_command = error.problem.startswith(ARGUMENT)
        return self._shorten(error.problem if is_of_command else str(error))

    def _shorten(self, text: str) -> str:
        text = text.replace(f"{ARGUMENT}{self.folder}/", "session ")
        return text.replace(f"{self.folder}/", "")

    def is_recorded(self, name: str) -> bool:
        """Whether a session can be replayed."""
        return (self.folder / name / RECORDING).is_file()

    def list_sessions(self) -> list[dict[str, Any]]:
        """All sessions, newest first."""
        if not self.folder.is_dir():
            return []
        rows = []
        for row in catalog.find(self.folder):
            path = Path(row["session"])
            try:
                self.path(path.name)
            except AffectlineError:
                continue
            consent = _read_consent(path) if row["recording"] is not None else ""
            more = {"name": path.name, "consent": consent, "report": self.report_state(path.name)}
            problems = filter(None, (row["problem"], self.report_problem(path.name)))
            rows.append(row | more | {"problem": "; ".join(problems)})
        return sorted(rows, key=catalog.by_beginning, reverse=True)

    def find_run(self, epochs: Mapping[str, int]) -> str | None:
        """The session that the sink has written of a run; None: it is not in this folder.

        Args:
            epochs: Epochs of all streams of the run, by stream.
        """
        try:
            files = sorted(self.folder.glob("*/session.json"), key=_modified, reverse=True)
        except OSError:
            return None
        for file in files[:NEWEST]:
            try:
                streams = read_session(file.parent)["streams"]
                if {name: stream["epoch"] for name, stream in streams.items()} == epochs:
                    return self.path(file.parent.name).name
            except (OSError, ValueError, KeyError, TypeError, AttributeError, AffectlineError):
                continue
        return None

    def delete(self, name: str) -> None:
        """Delete a session with everything in it.

        Raises:
            AffectlineError: The session is in use, or does not exist.
        """
        self.find(name)
        remover = SessionRemover(self.folder, self._reasons_to_stay)
        remover.remove(remover.find_named(name), "page")

    def apply_retention(self, retention: RetentionSettings) -> str:
        """Remove sessions older than the settings allow; return what was done."""
        return apply_retention(retention, self.folder, self._reasons_to_stay)

    def _reasons_to_stay(self) -> dict[str, str]:
        generating = [name for name in self._reports if self.report_state(name) == "generating"]
        return dict.fromkeys(generating, "has a report that is being generated") | self._in_use()

    def report_state(self, name: str) -> ReportState:
        """State of a session's report; empty if there is none and none is being generated."""
        command = self._reports.get(name)
        if command is not None and command.is_running:
            return "generating"
        return "ready" if (self.folder / name / REPORT).is_file() else ""

    def report_problem(self, name: str) -> str:
        """Why a session's report could not be made; empty if it could, or was not asked for."""
        command = self._reports.get(name)
        if command is None or not command.problem or self.has_current_report(name):
            return ""
        return f"no report could be made: {self._shorten(command.problem)}"

    def has_current_report(self, name: str) -> bool:
        """Whether a session has a report that is no older than what it is made of."""
        folder = self.folder / name
        try:
            made_at = (folder / REPORT).stat().st_mtime_ns
            sources = [folder / RECORDING, *folder.glob("*.csv"), *folder.glob("*.json")]
            return all(one.stat().st_mtime_ns <= made_at for one in sources if one.exists())
        except OSError:
            return False

    def generate_report(self, name: str) -> None:
        """Start a process that writes the report.

        Raises:
            AffectlineError: The session does not exist.
        """
        path = self.find(name)
        if self.report_state(name) != "generating":
            if before := self._reports.get(name):
                before.stop(STOP_PATIENCE_S)
            self._reports[name] = BackgroundCommand("report", str(path))

    def edits(self, name: str) -> SessionEdits:
        """Edits of a session.

        Raises:
            AffectlineError: The session does not exist, or its edits cannot be read.
        """
        return read_edits(self.find(name))

    def edit(self, name: str, change: Callable[[SessionEdits], SessionEdits]) -> SessionEdits:
        """Change the edits of a session; return all of them.

        Raises:
            AffectlineError: The session does not exist, or its edits cannot be written.
        """
        folder = self.find(name)
        with self._editing:
            before = read_edits(folder)
            edits = change(before)
            if edits == before:
                return edits
            try:
                write_edits(folder, edits)
            except OSError as error:
                raise AffectlineError(
                    f"{folder / EDITS}: cannot be written ({error.strerror or error})",
                    "free some space, or check the permissions",
                ) from error
        return edits

    def close(self) -> None:
        """Stop reports that are still being generated."""
        for command in self._reports.values():
            command.stop(STOP_PATIENCE_S)


def _modified(file: Path) -> float:
    """When a file was last written; 0 if it has gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _read_consent(path: Path) -> str:
    """The recorded note on consent; empty if there is none."""
    try:
        with SessionReader(path) as reader:
            return str(reader.about.get("consent", ""))
    except AffectlineError:
        return ""
