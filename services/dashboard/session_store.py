"""The sessions folder: all access of the dashboard goes through here."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.recording.reader import SessionReader
from affectline.services.sessions import catalog
from affectline.services.supervisor.process import BackgroundCommand

REPORT: Final = "report.html"
IN_USE_S: Final = 5.0
"""A session that was modified within this time is still being written."""
STOP_PATIENCE_S: Final = 5.0
NAMES: Final = TypeAdapter[str](Name)
ReportState = Literal["ready", "generating", ""]


class SessionStore:
    """The sessions below one folder.

    Args:
        folder: That folder; it need not exist yet.
        in_use: Names of sessions that must not be deleted, and why.
    """

    def __init__(self, folder: Path, in_use: Callable[[], dict[str, str]] = dict) -> None:
        self.folder = folder.absolute()
        self._in_use = in_use
        self._reports: dict[str, BackgroundCommand] = {}

    def path(self, name: str) -> Path:
        """The folder of a session, whether it exists or not: a direct child of the sessions folder.

        Raises:
            AffectlineError: The name is invalid, or leads elsewhere.
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
        """The folder of a session that exists.

        Raises:
            AffectlineError: There is none.
        """
        path = self.path(name)
        if not path.is_dir():
            raise AffectlineError(f"there is no session {name}", "it may have been deleted")
        return path

    def list_sessions(self) -> list[dict[str, Any]]:
        """All sessions, the newest first."""
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
            rows.append(row | more)
        return sorted(rows, key=lambda row: str(row["begun"]), reverse=True)

    def delete(self, name: str) -> None:
        """Delete a session with everything in it.

        Raises:
            AffectlineError: It is in use, or not there.
        """
        path = self.find(name)
        reason = self._in_use().get(name)
        files = (p for p in path.rglob("*") if p.name != REPORT)
        newest = max((p.lstat().st_mtime for p in files), default=0.0)
        if reason is None and time.time() - newest < IN_USE_S:
            reason = "is still being written"
        if reason is None and self.report_state(name) == "generating":
            reason = "has a report that is being generated"
        if reason:
            raise AffectlineError(f"session {name} {reason}", "wait until that has ended")
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise AffectlineError(
                f"session {name} cannot be deleted ({error.strerror})", "check the permissions"
            ) from error

    def report_state(self, name: str) -> ReportState:
        """Whether there is a report on a session; empty: neither there nor being generated."""
        command = self._reports.get(name)
        if command is not None and command.is_running:
            return "generating"
        return "ready" if (self.folder / name / REPORT).is_file() else ""

    def generate_report(self, name: str) -> None:
        """Start a process that writes the report.

        Raises:
            AffectlineError: There is no such session.
        """
        path = self.find(name)
        if self.report_state(name) != "generating":
            self._reports[name] = BackgroundCommand("report", str(path))

    def close(self) -> None:
        """Stop reports that are still being generated."""
        for command in self._reports.values():
            command.stop(STOP_PATIENCE_S)


def _read_consent(path: Path) -> str:
    """The recorded note on consent; empty where there is none."""
    try:
        with SessionReader(path) as reader:
            return str(reader.about.get("consent", ""))
    except AffectlineError:
        return ""
