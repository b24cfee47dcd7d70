"""Output of the ``affectline-train`` commands: results, notes and progress."""

from collections.abc import Iterator
from contextlib import contextmanager

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
