"""Audit log: who recorded, deleted or saved what, and when.

It is stored with the data, readable only by its owner, and outlives the data. Sessions are
therefore identified by the same hash as in `deletions.jsonl`, and people are not named.
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from affectline.common.logs import ServiceLogger
from affectline.services.web.logins import Visitor

FILE: Final = "audit.jsonl"


class Audit:
    """Appends lines to a file, and logs them. Thread-safe.

    Args:
        path: The file. Its folder is created with the first line.
        service: Name of the logging service.
    """

    def __init__(self, path: Path, service: str) -> None:
        self._path, self._log = path, ServiceLogger(service)
        self._lock = threading.Lock()

    def add(self, visitor: Visitor, did: str, **what: Any) -> None:
        """Add a line about an action.

        The action is already done, so if the line cannot be written, it is only logged.
        """
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "who": visitor.name,
            "from": visitor.address, "did": did, **what,
        }  # fmt: skip
        details = ", ".join(f"{name} {value}" for name, value in what.items())
        who = " from ".join(filter(None, (visitor.name, visitor.address)))
        self._log.info("audit: %s: %s%s", who, did, f" ({details})" if details else "")
        try:
            with self._lock:
                self._append(json.dumps(line) + "\n")
        except OSError as error:
            self._log.warning("audit: %s cannot be written (%s)", self._path, error.strerror)

    def warn(self, text: str) -> None:
        """Log a warning about somebody without access; not in the file, so they cannot fill it."""
        self._log.warning("%s", text)

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
