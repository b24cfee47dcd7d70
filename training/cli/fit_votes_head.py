"""``affectline-train fit-votes-head``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.extras import require_extra
from affectline.common.model import artifact
from affectline.training import run_folder
from affectline.training.cli.console import output, show_progress, warn_of_few_public_rows
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output


def fit_votes_head(
    model: Annotated[Path, typer.Argument(help="Artifact folder that export wrote.")],
    data: DataOption,
    votes: Annotated[Path, typer.Option(help="FER+'s CSV file, to fit the layer to.")],
    out: Annotated[Path, typer.Option(help="Artifact folder; an existing artifact is replaced.")],
) -> None:
    """Fit a second output layer to FER+'s votes, for `--answer votes`.

    The predictions for FER2013's labels stay the same. A model trained with `fit --votes` already
    has both layers.

    Example: `affectline-train fit-votes-head models/first --data fer2013.csv --votes
    fer2013new.csv --out models/both`
    """
    require_extra("affectline-train fit-votes-head", "training", "tensorflow", "keras", "scipy")
    with show_progress() as progress:
        run_folder.check_artifact_folder(out)
        opened = artifact.load(model)
        faces = read_data(data, progress, size=opened.manifest.input_height, votes=votes)
        warn_of_few_public_rows(faces)
        with silence_output():
            from affectline.training.data.ferplus import majority
            from affectline.training.export.artifact import export_artifact
            from affectline.training.fit import votes_head
        run = votes_head.fit_votes_head(opened, faces, progress)
        name = opened.manifest.name
        made = export_artifact(run, faces, out, name, False, progress, majority(votes))
    for split, found in made.metrics["litert-int8"].items():
        people = found.get("votes_accuracy")
        output.print(
            f"{split}: {found['accuracy']:.2%} of FER2013's labels, "
            f"{'none' if people is None else f'{people:.2%}'} of FER+'s majority labels",
            highlight=False,
            soft_wrap=True,
        )
