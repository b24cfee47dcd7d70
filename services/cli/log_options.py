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
        typer.Option(help="Least level that is logged; warning where nothing else is set."),
    ],
    "log_format": Annotated[
        logs.Format | None,
        typer.Option(help="text, or json: one object a line.  AFFECTLINE_LOG sets both."),
    ],
}


def with_log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that sets up logging first, as its two further options say."""
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
