"""Output of the ``affectline-train`` commands: results, notes and progress."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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

from affectline.training.data.names import find_alike
from affectline.training.data.splits import Split

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces

output = Console()
notes = Console(stderr=True)

FEW_PUBLIC_ROWS: Final = 200
"""With fewer public test rows, fitted probabilities depend much on which faces these are."""


def print_accuracy(folder: Path, run: Mapping[str, Any]) -> None:
    """Print how often a finished run's model is right, by split.

    Args:
        folder: The run's folder.
        run: The content of its ``run.json``.
    """
    figures = ", ".join(f"{split} {value:.2%}" for split, value in run["accuracy"].items())
    output.print(f"{folder}: accuracy {figures}", highlight=False, soft_wrap=True)


def warn_of_few_public_rows(faces: "LabelledFaces") -> None:
    """Warn if there are too few public test rows to fit offsets and temperatures on."""
    rows = int(faces.rows(Split.PUBLIC_TEST).sum())
    if 0 < rows < FEW_PUBLIC_ROWS:
        notes.print(
            f"affectline-train: warning: only {rows} PublicTest rows: confidence, fitted on them, "
            f"may be far from accuracy; put {FEW_PUBLIC_ROWS} or more faces into PublicTest",
            highlight=False,
            soft_wrap=True,
        )


def describe_spellings(people: Sequence[str]) -> list[str]:
    """Sentences about people who may be one person: splits are decided by the exact name.

    Args:
        people: Who each face is of; an empty text if not known.
    """
    return [
        f"the people {', '.join(map(repr, alike))} are taken for {len(alike)} people, though their "
        "names differ only in case, spaces or the form of their characters, so they may be in "
        "several splits: spell one person one way"
        for alike in find_alike(name for name in people if name)
    ]


def warn_of_spellings(faces: "LabelledFaces") -> None:
    """Warn of people whose names differ only in how they are spelled."""
    for sentence in describe_spellings(faces.people):
        notes.print(
            f"affectline-train: warning: {sentence}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


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
