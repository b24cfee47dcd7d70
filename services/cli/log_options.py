"""``--log-level`` and ``--log-format``, which every command has."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from affectline.common import logs

OPTIONS: Final[dict[str, Any]] = {
    "log_level": Annotated[
        logs.Level | None,
        typer.Option(help="Minimum level to log.  [default: warning]"),
    ],
    "log_format": Annotated[
        logs.Format | None,
        typer.Option(help="json: one object per line. AFFECTLINE_LOG sets level and format."),
    ],
}


def with_log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with options for logging, which is configured before it runs."""
    signature = inspect.signature(command)

    @functools.wraps(command)
    def run(*given: Any, log_level: Any = None, log_format: Any = None, **named: Any) -> Any:
        logs.configure(log_level, log_format)
        return command(*given, **named)

    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in OPTIONS.items()
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *more]
    )
    return run
