"""``affectline-train recalibrate``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.extras import require_extra
from affectline.common.model import artifact
from affectline.training import run_folder
from affectline.training.cli.console import output, show_progress, warn_of_few_public_rows
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output


def recalibrate(
    model: Annotated[Path, typer.Argument(help="Artifact folder that export wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Artifact folder; an existing artifact is replaced.")],
    votes: Annotated[
        Path | None, typer.Option(help="FER+'s CSV file, if the model predicts its votes.")
    ] = None,
) -> None:
    """Fit offsets and temperatures again, and measure, without changing the weights.

    The artifact and its card are then as this version of `export` would write them.

    Example: `affectline-train recalibrate models/first --data fer2013.csv --votes fer2013new.csv
    --out models/again`
    """
    require_extra("affectline-train recalibrate", "training", "tensorflow", "keras", "scipy")
    with show_progress() as progress:
        run_folder.check_artifact_folder(out)
        opened = artifact.load(model)
        faces = read_data(data, progress, size=opened.manifest.input_height, votes=votes)
        warn_of_few_public_rows(faces)
        with silence_output():
            from affectline.training.data.ferplus import majority
            from affectline.training.export import artifact as export
        people = majority(votes) if votes else None
        made = export.recalibrate(opened, faces, out, progress, people)
    for split, found in made.metrics["litert-int8"].items():
        output.print(
            f"{split}: accuracy {found['accuracy']:.2%}, calibration error "
            f"{found['calibration_error']:.2%}",
            highlight=False,
            soft_wrap=True,
        )
