"""``affectline-train second-answer``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.model import artifact
from affectline.training import run_folder
from affectline.training.cli.cli_common import Data, bars, output, read
from affectline.training.silence_output import silence_output


def second_answer(
    model: Annotated[Path, typer.Argument(help="Folder of a model that export wrote.")],
    data: Data,
    votes: Annotated[Path, typer.Option(help="FER+'s CSV file, what the answer is learnt from.")],
    out: Annotated[
        Path, typer.Option(help="Artifact folder; an artifact that is there is replaced.")
    ],
) -> None:
    """Teach a finished model a second answer: what most of FER+'s voters would say.

    Its first answer stays what it was. A model that `fit --votes` made has both already.

    Example: `affectline-train second-answer models/first --data fer2013.csv --votes
    fer2013new.csv --out models/both`
    """
    with bars() as progress:
        run_folder.check_artifact_folder(out)
        opened = artifact.load(model)
        faces = read(data, progress, size=opened.manifest.input_height, votes=votes)
        with silence_output():
            from affectline.training.data.ferplus import majority
            from affectline.training.export.artifact import export_artifact
            from affectline.training.fit.votes_head import fit_votes_head
        run = fit_votes_head(opened, faces, progress)
        name = opened.manifest.name
        made = export_artifact(run, faces, out, name, False, progress, majority(votes))
    for split, found in made.metrics["litert-int8"].items():
        output.print(
            f"{split}: {found['accuracy']:.2%} of the labels; asked for votes "
            f"{found['votes_accuracy']:.2%} of FER+'s majorities",
            highlight=False,
            soft_wrap=True,
        )
