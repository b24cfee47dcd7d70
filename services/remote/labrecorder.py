"""LabRecorder's remote control (https://github.com/labstreaminglayer/App-LabRecorder) over TCP.

Commands are lines: ``select all``, ``start``, ``stop``, ``update``, and ``filename`` with fields in
braces, such as
``filename {participant:P003} {session:1} {task:drive} {template:sub-%p_task-%b}``. Each line is
answered by ``OK`` or an error.
"""

import re
import socket
import socketserver
import threading
import time
from contextlib import suppress
from typing import Any, Final

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import to_name
from affectline.services.remote.controller import RemoteController
from affectline.services.web.logins import Visitor

LONGEST_LINE: Final = 4096
MOST_CLIENTS: Final = 8
FIRST_S: Final = 5.0
"""A client is disconnected if it has not sent a command by then."""
IDLE_S: Final = 3600.0
"""The same for the time between its commands: experiments stay connected."""
COMMANDS: Final = frozenset({"start", "stop", "select", "filename", "update"})
HTTP: Final = re.compile(rb"[A-Z]+ \S+ HTTP/")
"""A browser's request: any web page could make the browser send lines here as a request body."""
FIELD: Final = re.compile(r"\{([a-z]+):([^{}]*)\}")
PLACES: Final = {
    "participant": "%p", "session": "%s", "task": "%b", "run": "%n", "acquisition": "%a",
    "modality": "%m",
}  # fmt: skip
"""LabRecorder's fields and their placeholders in templates."""
FIELDS: Final = {place: field for field, place in PLACES.items()}
PLACE: Final = re.compile("|".join(FIELDS))
CALLER: Final = Visitor("operator", "LabRecorder's protocol", "127.0.0.1")
"""Its clients' name in the audit log; all are programs on this machine."""
IGNORED: Final = frozenset({"root", "template"})
PARTS: Final = (
    ("participant", "sub-"), ("session", "ses-"), ("task", "task-"), ("run", "run-"),
    ("acquisition", "acq-"), ("modality", ""),
)  # fmt: skip
"""Parts of a session's name without a template, as in BIDS."""


class LabRecorderSession:
    """The state of one client.

    Args:
        controller: Carries out the commands.
    """

    def __init__(self, controller: RemoteController) -> None:
        self._controller = controller
        self._fields: dict[str, str] = {}
        self._is_selected = True

    def answer(self, line: str) -> str:
        """Carry out the command of a line, and return the answer.

        A recording contains all streams, so ``start`` after ``select none`` is refused.
        """
        command, _, rest = line.strip().partition(" ")
        try:
            match command.lower():
                case "start":
                    self._start()
                case "stop":
                    self._controller.stop(CALLER)
                case "select" if rest.strip().lower() in ("all", "none"):
                    self._is_selected = rest.strip().lower() == "all"
                case "filename":
                    self._fields = parse_filename(rest)
                case "update":
                    pass  # streams are found automatically
                case _:
                    return f"ERROR {line.strip()[:80]!r}: not start, stop, select, filename, update"
        except AffectlineError as error:
            return f"ERROR {error}"
        return "OK"

    def _start(self) -> None:
        if not self._is_selected:
            raise AffectlineError("nothing is selected", "send: select all")
        study = {
            name: text for name, text in self._fields.items() if name not in IGNORED and text
        }  # fmt: skip
        self._controller.record(make_session_name(self._fields), study, CALLER)


def is_command(line: str) -> bool:
    """Whether a line begins with one of LabRecorder's commands."""
    return line.strip().partition(" ")[0].lower() in COMMANDS


def parse_filename(text: str) -> dict[str, str]:
    """The fields of a ``filename`` command.

    Raises:
        AffectlineError: There are no fields, or one that LabRecorder does not know.
    """
    fields = {name: value.strip() for name, value in FIELD.findall(text)}
    unknown = fields.keys() - PLACES.keys() - IGNORED
    if not fields or unknown:
        what = f"{', '.join(sorted(unknown))} unknown" if unknown else "no field in braces"
        raise AffectlineError(
            f"filename {text.strip()[:80]}: {what}",
            "as in filename {participant:P003} {task:drive}",
        )
    return fields


def make_session_name(fields: dict[str, str]) -> str:
    """A session's name from LabRecorder's template, or else in BIDS form.

    The folder (``root``) is ignored: the pipeline has its own.
    """
    name = fields.get("template", "").rpartition("/")[2].removesuffix(".xdf")
    if name:
        # In one pass, so that inserted values are not treated as templates
        name = PLACE.sub(lambda found: fields.get(FIELDS[found[0]], ""), name)
    else:
        parts = [f"{prefix}{fields[field]}" for field, prefix in PARTS if fields.get(field)]
        name = "_".join(parts)
    return to_name(name) or time.strftime("recording-%Y%m%d-%H%M%S")


class LabRecorderServer(socketserver.ThreadingTCPServer):
    """Listens for LabRecorder's commands, on this machine only.

    Args:
        port: Port to listen on.
        controller: Carries out the commands.

    Raises:
        AffectlineError: The port is in use.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, controller: RemoteController) -> None:
        self.controller = controller
        self._clients: dict[socket.socket, float | None] = {}
        """Oldest first; when a client without a command yet connected, or None."""
        self._lock = threading.Lock()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise AffectlineError(
                f"remote: labrecorder_port {port}: {error.strerror}",
                "stop LabRecorder, or choose another port (null turns it off)",
            ) from error

    def admit(self, client: socket.socket) -> bool:
        """Make room for a client: the oldest without a command must go; False if there is none."""
        with self._lock:
            if len(self._clients) >= MOST_CLIENTS:
                strangers = (one for one, since in self._clients.items() if since is not None)
                oldest = next(strangers, None)
                if oldest is None:
                    return False
                self._disconnect(oldest)
            self._clients[client] = monotonic()
        return True

    def welcome(self, client: socket.socket) -> None:
        """Let a client stay, because it has sent a command."""
        with self._lock:
            if client in self._clients:
                self._clients[client] = None

    def leave(self, client: socket.socket) -> None:
        """Forget a client."""
        with self._lock:
            self._clients.pop(client, None)

    def service_actions(self) -> None:
        """Disconnect the clients that are silent; called twice a second."""
        latest = monotonic() - FIRST_S
        with self._lock:
            for client, since in list(self._clients.items()):
                if since is not None and since < latest:
                    self._disconnect(client)

    def _disconnect(self, client: socket.socket) -> None:
        """End a connection; its own thread closes it."""
        del self._clients[client]
        with suppress(OSError):  # it has gone
            client.shutdown(socket.SHUT_RDWR)


class _Handler(socketserver.StreamRequestHandler):
    """Serves one client."""

    timeout = IDLE_S

    def handle(self) -> None:
        server: Any = self.server
        if not server.admit(self.connection):
            self.wfile.write(b"ERROR too many clients\n")
            return
        try:
            session = LabRecorderSession(server.controller)
            while line := self.rfile.readline(LONGEST_LINE + 1):
                if HTTP.match(line):
                    self.wfile.write(b"ERROR use the other port for HTTP\n")
                    return
                if len(line) > LONGEST_LINE:
                    self.wfile.write(b"ERROR the line is too long\n")
                    return
                text = line.decode("utf-8", "replace")
                if is_command(text):
                    server.welcome(self.connection)
                if text.strip():
                    self.wfile.write(f"{session.answer(text)}\n".encode())
        except (TimeoutError, ConnectionError):
            return
        finally:
            server.leave(self.connection)
