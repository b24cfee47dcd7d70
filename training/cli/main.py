"""The command ``affectline-train``."""

import errno
import os
import sys
from typing import Final, NoReturn

import typer
import typer.main

from affectline.common.command_line import (
    NoArgumentsError,
    UsageError,
    explain_usage,
    name_values,
)
from affectline.common.errors import AffectlineError
from affectline.training.cli.average import average
from affectline.training.cli.console import notes
from affectline.training.cli.data import data
from affectline.training.cli.evaluate import evaluate
from affectline.training.cli.export import export
from affectline.training.cli.fit import fit
from affectline.training.cli.fit_covered_face import fit_covered_face
from affectline.training.cli.fit_votes_head import fit_votes_head
from affectline.training.cli.recalibrate import recalibrate
from affectline.training.cli.reproduce import reproduce
from affectline.training.cli.robustness import robustness

NAME: Final = "affectline-train"

app = typer.Typer(
    help="Train, evaluate and export the emotion classifier.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(fit)
app.command()(reproduce)
app.command()(evaluate)
app.command()(robustness)
app.command()(average)
app.command()(export)
app.command()(recalibrate)
app.command("fit-votes-head")(fit_votes_head)
app.command("second-answer", hidden=True)(fit_votes_head)  # its former name
app.command("fit-covered-face")(fit_covered_face)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command; errors that the user can fix end in one line and exit code 1."""
    # Before TensorFlow is imported: its start-up messages mean nothing to users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command = name_values(typer.main.get_command(app))
    try:
        code = command(prog_name=NAME, standalone_mode=False)
    except NoArgumentsError as error:
        sys.stderr.write(f"{error.format_message()}\n")  # the whole help
        sys.exit(2)
    except UsageError as error:
        _exit_with_error(f"{explain_usage(error)} Try {NAME} --help", 2)
    except typer.Abort:
        _exit_with_error("interrupted", 130)
    except AffectlineError as error:
        _exit_with_error(str(error), 1)
    except BrokenPipeError:  # as in: affectline-train evaluate ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        # What the commands do not handle: a full disk, a folder that is not writable.
        where = f" {error.filename}" if error.filename else ""
        fix = "make room" if error.errno == errno.ENOSPC else "name another path"
        _exit_with_error(f"cannot read or write{where} ({error.strerror or error}): {fix}", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _exit_with_error(text: str, code: int) -> NoReturn:
    notes.print(f"{NAME}: {text}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
