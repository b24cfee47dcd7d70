"""``--insecure``, for every command that connects to a hub or starts one."""

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from affectline.common.settings.choices import SECURITY
from affectline.services.cli.options import BindHub, HubAddress

Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Run without keys on a network: anyone who reaches the hub sees and controls "
        "everything.",
    ),
]
OF_HUBS: Final = (HubAddress, BindHub)
"""Parameters of commands that connect to a hub or start one."""


def with_security_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command, with ``--insecure`` if it connects to a hub or starts one."""
    signature = inspect.signature(command)
    if not any(one.annotation in OF_HUBS for one in signature.parameters.values()):
        return command

    @functools.wraps(command)
    def run(*given: Any, insecure: bool = False, **named: Any) -> Any:
        if insecure:
            os.environ[SECURITY] = "off"  # also for the processes that it starts
        return command(*given, **named)

    option = inspect.Parameter(
        "insecure", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Insecure
    )
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    return run
