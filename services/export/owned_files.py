"""Which session the files of an export folder are of.

Exports name their files by table, stream or session, so another session's could get the same names.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.json_text import parse_json, to_json
from affectline.common.logs import ServiceLogger
from affectline.services.sessions.recording import Recording

LIST: Final = "affectline-export.json"
"""File of an export folder with the session of each exported file."""
LOG: Final = ServiceLogger("export")


def fingerprint(recording: Recording) -> str:
    """A text that differs between sessions, and stays when a session is moved or renamed.

    A name does not tell sessions apart: folders of several people may each hold a ``pre``.
    """
    settings = recording.about.get("settings")
    listed = settings.get("sources") if isinstance(settings, dict) else None
    sources = [
        [str(one.get("name")), str(one.get("source"))]
        for one in (listed if isinstance(listed, list | tuple) else ())
        if isinstance(one, dict)
    ]
    start = recording.session_start
    analysed_again = str(recording.about.get("replay_of") or "")
    facts = [recording.name if start is None else start, sources, analysed_again]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def read_object(path: Path) -> dict[str, Any]:
    """The content of a JSON file in an export folder; empty if there is none.

    Raises:
        AffectlineError: It is not a JSON object; writing it again would lose what it says.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AffectlineError(
            f"--out {path}: cannot be read ({error.strerror})", "make it readable"
        ) from error
    except ValueError as error:
        detail = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise AffectlineError(
            f"--out {path}: is not JSON ({detail})", "correct it, or move it away"
        ) from error
    if not isinstance(content, dict):
        raise AffectlineError(
            f"--out {path}: is JSON, but not an object", "put it in braces, or move it away"
        )
    return content


class OwnedFiles:
    """The files that one exporter has written into a folder, and the sessions that they are of.

    Args:
        folder: The folder.
        recording: The session to export.
        exporter: Name of the exporter.

    Raises:
        AffectlineError: The folder's list of files cannot be read.
    """

    def __init__(self, folder: Path, recording: Recording, exporter: str) -> None:
        self._folder, self._exporter = folder, exporter
        self._session = {"session": recording.name, "fingerprint": fingerprint(recording)}
        self._list = folder / LIST
        listed = read_object(self._list).get("files")
        self._files: dict[str, Any] = listed if isinstance(listed, dict) else {}

    def claim(self, paths: Iterable[Path]) -> None:
        """Check that files are free or this session's own; call it before any is written.

        Raises:
            AffectlineError: Another session has exported to one of them.
        """
        for path in paths:
            about = self._files.get(path.name)
            if not isinstance(about, dict) or not path.exists():
                continue
            if about.get("fingerprint") != self._session["fingerprint"]:
                other, own = about.get("session"), self._session["session"]
                raise AffectlineError(
                    f"--out {self._folder}: {path.name} there is of session {other}"
                    + (f", not {own}" if other != own else ", another one of the same name"),
                    "name another folder; nothing is overwritten",
                )

    def replace(self, written: Iterable[Path]) -> None:
        """List the files of this export, and remove those that only an earlier one has written.

        An earlier file that was changed since then stays, with a warning.

        Args:
            written: All files of this export.
        """
        paths = list(written)
        kept = {path.name for path in paths}
        of = {"exporter": self._exporter, "fingerprint": self._session["fingerprint"]}
        for name, about in list(self._files.items()):
            if name in kept or not isinstance(about, dict) or not of.items() <= about.items():
                continue
            path = self._folder / Path(name).name
            if path.is_file() and path.stat().st_size != about.get("size"):
                LOG.warning("%s is of an earlier export, and was changed since: it stays", path)
            else:
                path.unlink(missing_ok=True)
            del self._files[name]
        self.add(paths)

    def add(self, written: Iterable[Path]) -> None:
        """List files of this export; those of earlier ones stay."""
        of = {**self._session, "exporter": self._exporter}
        self._files |= {path.name: {**of, "size": path.stat().st_size} for path in written}
        if self._files:
            atomic_file.write_text(self._list, to_json({"files": self._files}, indent=1) + "\n")
        else:
            self._list.unlink(missing_ok=True)


def write_object(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a file of one JSON object; returns its path."""
    atomic_file.write_text(path, to_json(content, indent=2) + "\n")
    return path
