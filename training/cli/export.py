"""``affectline-train export``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.extras import require_extra
from affectline.training import run_folder
from affectline.training.cli.console import output, show_progress, warn_of_few_public_rows
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output


def export(
    run: Annotated[Path, typer.Argument(help="Run folder that fit wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Artifact folder; an existing artifact is replaced.")],
    name: Annotated[str, typer.Option(help="Name in the manifest.")] = "vgg16-48",
    votes: Annotated[
        Path | None,
        typer.Option(
            help="FER+'s CSV file, to calibrate the label set ferplus and as a second reference."
        ),
    ] = None,
    votes_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Weight of the layer trained on FER+'s votes when predicting FER2013's "
            "labels; at 1 both label sets get the same predictions.",
            show_default="the best that fit found",
        ),
    ] = None,
    with_reference: Annotated[
        bool,
        typer.Option("--with-reference", help="Write the float models as well (230 MB)."),
    ] = False,
) -> None:
    """Quantize a run's model to int8 and write the artifact that the classifier serves.

    Example: `affectline-train export runs/first --data fer2013.csv --out models/first`

    Example: `affectline-train export runs/strong --data fer2013.csv --votes fer2013new.csv --out
    models/strong`, which also predicts FER+'s labels if it was trained with votes
    """
    require_extra("affectline-train export", "training", "tensorflow", "keras", "scipy")
    with show_progress() as progress:
        run_folder.check_artifact_folder(out)
        run_folder.check_run_folder(run)
        if votes_weight is not None:
            run_folder.check_votes_layer(run)
        faces = read_data(data, progress, size=run_folder.image_size(run), votes=votes)
        warn_of_few_public_rows(faces)
        with silence_output():
            from affectline.training.data.ferplus import majority
            from affectline.training.export.artifact import export_artifact
            from affectline.training.fit.trained_run import change_votes_weight, load_run

        finished = load_run(run, faces)
        if votes_weight is not None:
            finished = change_votes_weight(finished, run, votes_weight, faces, progress)
        people = majority(votes) if votes else None
        manifest = export_artifact(finished, faces, out, name, with_reference, progress, people)
    for kind, splits in manifest.metrics.items():
        figures = ", ".join(f"{split} {value['accuracy']:.2%}" for split, value in splits.items())
        output.print(f"{kind}: accuracy {figures}", highlight=False, soft_wrap=True)
    output.print(f"{out}: temperature {manifest.temperature:.3g}", highlight=False, soft_wrap=True)
