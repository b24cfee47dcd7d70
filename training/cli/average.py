"""``affectline-train average``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training import run_folder
from affectline.training.cli.console import output, print_accuracy, show_progress
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output


def average(
    models: Annotated[
        list[Path], typer.Argument(help="Run folders of fit, or artifacts that export wrote.")
    ],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Run folder, new or empty.")],
    votes: Annotated[
        Path | None, typer.Option(help="FER+'s CSV file, if the models were trained on it.")
    ] = None,
) -> None:
    """Average the weights of models that were trained from one start.

    The best model by log loss on the public test rows is first; each of the others is kept if the
    mean is better with it. The result is a run folder, to be exported like one of `fit`. It takes
    some minutes.

    Example: `affectline-train average runs/a runs/b runs/c --data fer2013.csv --votes
    fer2013new.csv --out runs/mean`
    """
    require_extra("affectline-train average", "training", "tensorflow", "keras", "scipy")
    if len(models) < 2:
        raise AffectlineError(
            f"an average needs two models or more, not only {models[0]}",
            "train others from the same --start with another --seed",
        )
    for place, model in enumerate(models):
        if model.resolve() in [other.resolve() for other in models[:place]]:
            raise AffectlineError(f"the model {model} is named twice", "name each model once")
    run_folder.claim_run_folder(out)
    try:
        with show_progress() as progress:
            run = average_runs(models, data, votes, out, progress)
    except BaseException:
        run_folder.remove_empty_run_folder(out)
        raise
    output.print(f"{out}: mean of {', '.join(run['averaged'])}", highlight=False, soft_wrap=True)
    print_accuracy(out, run)


def average_runs(
    models: Sequence[Path], data: Path, votes: Path | None, out: Path, progress: Progress
) -> dict[str, Any]:
    """Average models by their folders; return the content of the run's ``run.json``."""
    with silence_output():
        from affectline.training.fit.average import average_models, check_distinct, read_model
    opened = [read_model(model) for model in models]
    check_distinct(models, opened)
    sides = sorted({each.record["settings"].get("image_size", FER_SIZE) for each in opened})
    if len(sides) > 1:
        raise AffectlineError(
            f"the models are for pictures of {' and '.join(map(str, sides))} pixels",
            "average models of one --image-size",
        )
    faces = read_data(data, progress, size=sides[0], votes=votes)
    return average_models(opened, faces, out, progress)
