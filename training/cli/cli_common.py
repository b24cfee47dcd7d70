"""What the commands of ``affectline-train`` share: where they write, and the data they read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

from affectline.common.vision.preprocessing import FER_SIZE

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces

output = Console()
notes = Console(stderr=True)

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="FER2013's CSV file (.xz, .gz and .zip are read as well) or a folder of pictures.",
    ),
]


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Progress on stderr; Ctrl-C inside ends in one line and exit code 130."""
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


def read_data(
    data: Path, progress: Progress, size: int = FER_SIZE, votes: Path | None = None
) -> "LabelledFaces":
    """The data, under a bar that only pulses: how many rows there are shows at the end.

    Args:
        data: A CSV file or a folder of pictures.
        progress: Where the bar is shown.
        size: Side in pixels to which pictures are scaled.
        votes: FER+ votes that belong to the file.
    """
    from affectline.training.data import dataset

    task = progress.add_task(f"Reading {data.name}", total=None)
    faces = dataset.load(data, size=size, votes=votes)
    progress.update(task, total=len(faces), completed=len(faces))
    return faces
