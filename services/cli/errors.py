"""Errors of the command line: one line on standard error, and an exit code."""

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from affectline.common.address import conceal
from affectline.common.command_line import NoArgumentsError, UsageError, explain_usage
from affectline.common.errors import AffectlineError, explain_import


def run_and_exit(command: Callable[[], Any]) -> NoReturn:
    """Run a command line and exit; every error is printed as one line."""
    code: Any = 0
    try:
        code = _run(command)
    except AffectlineError as error:
        for line in error.details:
            sys.stderr.write(f"  {conceal(line)}\n")
        _exit_with_error(str(error), 1)
    except ImportError as error:
        _exit_with_error(explain_import(error), 1)
    except NoArgumentsError as error:
        sys.stderr.write(f"{error.format_message()}\n")  # the whole help
        sys.exit(2)
    except UsageError as error:
        context: Any = getattr(error, "ctx", None)
        command_path = context.command_path if context else "affectline"
        _exit_with_error(f"{explain_usage(error)} Try {command_path} --help", 2)
    except (typer.Abort, KeyboardInterrupt):
        _exit_with_error("stopped by Ctrl-C", 130)
    except _validation_errors() as error:
        _exit_with_error(f"{_explain_settings(error)}. Try affectline --help", 2)
    except BrokenPipeError:  # as in: affectline subscribe | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        _exit_with_error(f"{error}: check the path and its permissions", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _run(command: Callable[[], Any]) -> Any:
    """Run a command line, and write all that it has printed.

    Raises:
        BrokenPipeError: Nobody reads it any more; click would end with 1.
    """
    try:
        code = command()
        sys.stdout.flush()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise
    return code


def _validation_errors() -> tuple[type[Exception], ...]:
    """The class of pydantic's errors, if a command has imported pydantic, which takes 50 ms."""
    pydantic = sys.modules.get("pydantic")
    return (pydantic.ValidationError,) if pydantic else ()


def _explain_settings(error: Any) -> str:
    from affectline.common.settings.model import explain

    return explain(error)


def _exit_with_error(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"affectline: {conceal(' '.join(text.split()))}\n")
    sys.exit(code)
