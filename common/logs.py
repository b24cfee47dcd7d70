"""Logging with the standard library, with service, stream and seq on every record.

`configure` sets it up once in every process. People read text, coloured in a terminal. A supervised
process, or one with ``--log-format json``, writes one JSON object per line. The supervisor reads
those of its children and logs them again in its own format, so that there is one stream of records
for all processes.

``AFFECTLINE_LOG`` sets level, format or both, such as ``debug``, ``json`` or ``debug,json``.
"""

import functools
import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from affectline.common.address import conceal
from affectline.common.errors import AffectlineError

if TYPE_CHECKING:
    from rich.console import Console

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

VARIABLE: Final = "AFFECTLINE_LOG"
FIELDS: Final = ("service", "stream", "seq")
"""Fields that records have besides their message, if known."""
ROOT: Final = "affectline"
TRACE: Final = "trace"
"""Field of records of other processes that have a traceback."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line separators, and marks that reverse the direction of a text."""


def parse(text: str) -> tuple[Level | None, Format | None]:
    """Parse the level and format in ``AFFECTLINE_LOG``; None for what is not given.

    Raises:
        AffectlineError: A word is neither a level nor a format.
    """
    level: Level | None = None
    form: Format | None = None
    for word in filter(None, (part.strip().lower() for part in text.split(","))):
        if word in get_args(Level):
            level = word  # type: ignore[assignment]
        elif word in get_args(Format):
            form = word  # type: ignore[assignment]
        else:
            known = ", ".join((*get_args(Level), *get_args(Format)))
            raise AffectlineError(
                f"{VARIABLE}={text}: {word!r} is neither a level nor a format",
                f"write one or two of {known}, with a comma between them",
            )
    return level, form


def configure(
    level: Level | None = None, form: Format | None = None, *, is_supervised: bool = False
) -> None:
    """Set up logging for this process and those that it starts.

    Args:
        level: Lowest level to log; None: that of ``AFFECTLINE_LOG``, or warnings.
        form: Format of the log; None: that of ``AFFECTLINE_LOG``, or text.
        is_supervised: Whether a supervisor reads the log of this process.

    Raises:
        AffectlineError: ``AFFECTLINE_LOG`` is not valid.
    """
    set_level, set_form = parse(os.environ.get(VARIABLE, ""))
    level, form = level or set_level or "warning", form or set_form or "text"
    os.environ[VARIABLE] = f"{level},{form}"
    logger = logging.getLogger(ROOT)
    logger.setLevel(level.upper())
    logger.propagate = False
    logger.handlers = [_handler("json" if is_supervised else form)]
    sys.excepthook = _print_uncaught
    threading.excepthook = lambda it: _print_uncaught(it.exc_type, it.exc_value, it.exc_traceback)


def _print_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Print an uncaught exception, without the secrets of sources."""
    text = conceal("".join(traceback.format_exception(kind, error, trace)))
    sys.stderr.write(printable(text, keep="\n\t"))


@functools.cache
def terminal() -> "Console":
    """The console on standard error, shared with progress bars so that records keep them intact."""
    from rich.console import Console

    return Console(stderr=True)


def _handler(form: Format) -> logging.Handler:
    if form == "text" and sys.stderr.isatty():
        from rich.logging import RichHandler

        handler: logging.Handler = RichHandler(
            console=terminal(), show_path=False, markup=False, log_time_format="[%H:%M:%S]"
        )
        handler.setFormatter(TextFormatter(is_plain=False))
        return handler
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(is_plain=True))
    return handler


def printable(text: str, keep: str = "\t") -> str:
    r"""Escape characters that move a terminal's cursor, colour it, or begin another line.

    Texts of peers and files get into messages: they must not look like other messages.

    Example:
        >>> printable("a topic\x1b[2J\n")
        'a topic\\x1b[2J\\n'

    Args:
        text: Any text.
        keep: Control characters that stay.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in keep else character.encode("unicode_escape").decode()

    return _CONTROL.sub(escape, text)


def _trace_of(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    """The traceback of a record, also of one that `relay` logs; empty if it has none."""
    if record.exc_info:
        return formatter.formatException(record.exc_info)
    return str(getattr(record, TRACE, ""))


class TextFormatter(logging.Formatter):
    """One line for people: ``affectline: detector/drive: message``.

    Args:
        is_plain: Whether nothing else shows the level: levels below warning are labelled, and
            warnings and errors are not, as before.
    """

    def __init__(self, *, is_plain: bool) -> None:
        super().__init__()
        self._is_plain = is_plain

    def format(self, record: logging.LogRecord) -> str:
        known = (getattr(record, name, None) for name in FIELDS)
        where = [str(value) for value in known if value is not None]
        label = f"{record.levelname.lower()}: " if record.levelno < logging.WARNING else ""
        head = f"{ROOT}: {label}" if self._is_plain else ""
        line = f"{head}{' '.join(where)}{': ' if where else ''}{record.getMessage()}"
        text = printable(line)
        if trace := _trace_of(record, self):
            text += "\n" + printable(trace, keep="\n\t")
        return conceal(text)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and the known fields."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        plain: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        plain |= {n: value for n in FIELDS if (value := getattr(record, n, None)) is not None}
        plain["message"] = conceal(record.getMessage())
        if trace := _trace_of(record, self):
            plain["exception"] = conceal(trace)
        return json.dumps(plain)


class ServiceLogger(logging.LoggerAdapter[logging.Logger]):
    """A service's logger: every record has the service, and stream and seq if given.

    Args:
        service: Its name on the bus, such as ``detector/drive``.
    """

    def __init__(self, service: str) -> None:
        super().__init__(logging.getLogger(f"{ROOT}.{service.split('/')[0]}"), {"service": service})

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


class _Adopted(logging.Handler):
    """Logs the records of a library as those of a service."""

    def __init__(self, log: ServiceLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage(), exc_info=record.exc_info)


def adopt(library: str, log: ServiceLogger) -> None:
    """Log what a library logs as records of a service, in this program's own format.

    Args:
        library: Name of the library's logger, such as ``uvicorn``.
        log: Logger of the service that uses it.
    """
    logger = logging.getLogger(library)
    logger.handlers = [_Adopted(log)]
    logger.propagate = False


def relay(line: str, service: str) -> str:
    """Log a line from a child's standard error as a record.

    Args:
        line: A record as JSON, or the output of a library.
        service: The service that wrote it.

    Returns:
        The line as text, for `ManagedProcess.last_lines`.
    """
    record = _parse_record(line)
    if record is None:
        line = printable(conceal(line))
        # Libraries print anything, and tracebacks come this way: do not hide them
        logging.getLogger(ROOT).warning("%s", line, extra={"service": service})
        return line
    level, name, message, fields = record
    message, trace = printable(conceal(message)), conceal(str(fields.get(TRACE, "")))
    extra = {"service": service, **fields, TRACE: trace}
    logging.getLogger(name).log(level, "%s", message, extra=extra)
    return "\n".join(filter(None, (message, printable(trace, keep="\n\t"))))


def _parse_record(line: str) -> tuple[int, str, str, dict[str, Any]] | None:
    """Level, logger, text and fields of a `JsonFormatter` record; None for other lines."""
    try:
        plain = json.loads(line)
        level = logging.getLevelNamesMapping()[plain["level"].upper()]
        fields = {name: plain[name] for name in FIELDS if name in plain}
        fields[TRACE] = str(plain.get("exception", ""))
        return level, str(plain["logger"]), str(plain["message"]), fields
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
