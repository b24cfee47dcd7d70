"""The sessions folder, and the one way into it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.recording.reader import SessionReader
from affectline.services.sessions.catalog import find

REPORT: Final = "report.html"
IN_USE_S: Final = 5.0
"""A session that was written to so shortly ago is still being written."""
NAMES: Final = TypeAdapter[str](Name)


class SessionStore:
    """The sessions below one folder.

    Args:
        folder: That folder; it need not exist yet.
        in_use: Names of sessions that must stay, and why.
    """

    def __init__(self, folder: Path, in_use: Callable[[], dict[str, str]] = dict) -> None:
        self.folder = folder.absolute()
        self._in_use = in_use
        self._reports: dict[str, subprocess.Popen[bytes]] = {}

    def place(self, name: str) -> Path:
        """The folder of a session, there or not: a direct child of the sessions folder.

        Raises:
            AffectlineError: The name could lead anywhere else.
        """
        try:
            NAMES.validate_python(name)
        except ValidationError as error:
            raise AffectlineError(
                f"{name[:80]!r} is no name for a session",
                "letters, digits, '.', '_' and '-', beginning with a letter or a digit, at most 64",
            ) from error
        place = self.folder / name
        if place.is_symlink() or place.resolve().parent != self.folder.resolve():
            raise AffectlineError(f"session {name}: not in the sessions folder", "name another one")
        return place

    def session(self, name: str) -> Path:
        """The folder of a session that exists.

        Raises:
            AffectlineError: There is none.
        """
        place = self.place(name)
        if not place.is_dir():
            raise AffectlineError(f"there is no session {name}", "it may have been deleted")
        return place

    def rows(self) -> list[dict[str, Any]]:
        """All sessions, the newest first."""
        if not self.folder.is_dir():
            return []
        rows = []
        for row in find(self.folder):
            place = Path(row["session"])
            try:
                self.place(place.name)
            except AffectlineError:
                continue
            consent = _consent(place) if row["recording"] is not None else ""
            more = {"name": place.name, "consent": consent, "report": self.report_state(place.name)}
            rows.append(row | more)
        return sorted(rows, key=lambda row: str(row["begun"]), reverse=True)

    def delete(self, name: str) -> None:
        """Delete a session with everything in it.

        Raises:
            AffectlineError: It is in use, or not there.
        """
        place = self.session(name)
        reason = self._in_use().get(name)
        files = (p for p in place.rglob("*") if p.name != REPORT)
        newest = max((p.lstat().st_mtime for p in files), default=0.0)
        if reason is None and time.time() - newest < IN_USE_S:
            reason = "is still being written"
        if reason is None and self.report_state(name) == "being made":
            reason = "is being reported on"
        if reason:
            raise AffectlineError(f"session {name} {reason}", "wait until it is over")
        try:
            shutil.rmtree(place)
        except OSError as error:
            raise AffectlineError(
                f"session {name} cannot be deleted ({error.strerror})", "check the permissions"
            ) from error

    def report_state(self, name: str) -> str:
        """``there``, ``being made``, or nothing."""
        maker = self._reports.get(name)
        if maker is not None and maker.poll() is None:
            return "being made"
        return "there" if (self.folder / name / REPORT).is_file() else ""

    def make_report(self, name: str) -> None:
        """Have the report written by a process of its own.

        Raises:
            AffectlineError: There is no such session.
        """
        place = self.session(name)
        if self.report_state(name) != "being made":
            command = [sys.executable, "-P", "-m", "affectline", "report", str(place)]
            self._reports[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """Stop what is still being made."""
        for maker in self._reports.values():
            if maker.poll() is None:
                maker.terminate()
            maker.wait(timeout=5)


def _consent(place: Path) -> str:
    """The note on consent that was recorded; empty where there is none."""
    try:
        with SessionReader(place) as reader:
            return str(reader.about.get("consent", ""))
    except AffectlineError:
        return ""
