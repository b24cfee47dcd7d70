"""The options ``--data`` and ``--artifact`` of the commands, and reading the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from affectline.common.vision.preprocessing import FER_SIZE

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        help="FER2013's CSV file (also as .xz, .gz or .zip) or a folder of pictures.",
    ),
]
ArtifactOption = Annotated[
    Path,
    typer.Option(
        "--artifact",
        help="Artifact folder (with manifest.json) that export wrote.",
        show_default="the served model",
    ),
]


def read_data(
    data: Path, progress: Progress, size: int = FER_SIZE, votes: Path | None = None
) -> "LabelledFaces":
    """Read the data under a pulsing bar, as the number of rows is known only at the end.

    Args:
        data: A CSV file or a folder of pictures.
        progress: Where the bar is shown.
        size: Side in pixels to which pictures are scaled.
        votes: FER+'s votes for the rows of the file.
    """
    from affectline.training.data import dataset

    task = progress.add_task(f"Reading {data.name}", total=None)
    faces = dataset.load(data, size=size, votes=votes)
    progress.update(task, total=len(faces), completed=len(faces))
    return faces
