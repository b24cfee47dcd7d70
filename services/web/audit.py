"""Audit lines: who did what, and when, of what is recorded, deleted or taken along.

They are kept where the data is, for its owner alone, and outlive it. A recorded session is
therefore named by the hash that `deletions.jsonl` names it by; people are not named at all.
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
    """Appends lines to a file, and says them in the log. May be used by any thread.

    Args:
        path: The file. Its folder is made when the first line comes.
        service: Who logs them.
    """

    def __init__(self, path: Path, service: str) -> None:
        self._path, self._log = path, ServiceLogger(service)
        self._lock = threading.Lock()

    def add(self, visitor: Visitor, did: str, **what: Any) -> None:
        """Note that somebody has done something.

        It has been done: where the line cannot be written, the log has it alone.
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
        """Warn in the log alone of what nobody has done who was let in: strangers fill no disk."""
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
