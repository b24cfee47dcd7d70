"""Output of the ``affectline-train`` commands: results, notes and progress."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

output = Console()
notes = Console(stderr=True)


def print_accuracy(folder: Path, run: Mapping[str, Any]) -> None:
    """Print how often a finished run's model is right, by split.

    Args:
        folder: The run's folder.
        run: The content of its ``run.json``.
    """
    figures = ", ".join(f"{split} {value:.2%}" for split, value in run["accuracy"].items())
    output.print(f"{folder}: accuracy {figures}", highlight=False, soft_wrap=True)


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show progress on stderr; Ctrl-C prints one line and exits with code 130."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=notes) as progress:
            yield progress
    except KeyboardInterrupt:
        notes.print("affectline-train: interrupted")
        raise typer.Exit(130) from None
