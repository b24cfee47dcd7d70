"""``affectline-train fit-covered-face``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common import atomic_file
from affectline.common.extras import require_extra
from affectline.training import run_folder
from affectline.training.cli.console import output, show_progress
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output


def fit_covered_face(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the network, new or empty.")],
) -> None:
    """Train the small network that detects whether a hand covers a face.

    It takes a few minutes on one processor.

    Example: `affectline-train fit-covered-face --data fer2013.csv --out runs/covered-face`
    """
    require_extra("affectline-train fit-covered-face", "training", "tensorflow", "keras")
    run_folder.require_empty_folder(out)
    with show_progress() as progress:
        faces = read_data(data, progress)
        with silence_output():
            from affectline.training.fit import covered_face
        made = covered_face.train(faces, progress)
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file.replace_folder(out) as folder:
            (figures,) = covered_face.write(folder, *made).measured
    output.print(f"{out}: {figures.what}: {figures.result}", highlight=False, soft_wrap=True)
