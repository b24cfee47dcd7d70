"""The options ``--data`` and ``--artifact`` of the commands, and reading the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import Progress

from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training.cli.console import notes
from affectline.training.data.splits import Split

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces

FEW_PUBLIC_ROWS: Final = 200
"""With fewer public test rows, fitted probabilities depend much on which faces these are."""

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
