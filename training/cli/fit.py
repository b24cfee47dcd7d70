"""``affectline-train fit``."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.model import artifact
from affectline.training import run_folder
from affectline.training.cli.console import print_accuracy, show_progress, warn_of_spellings
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.fit.distributed import join_workers, wait_for_first, worker_index
from affectline.training.fit.hyperparameters import POLISH, WARM_START, FinetuneConfig, HeadSettings
from affectline.training.silence_output import silence_output

if TYPE_CHECKING:
    from rich.progress import Progress

    from affectline.training.data.faces import LabelledFaces


class RecipeName(StrEnum):
    """Training recipe."""

    PAPER = "paper"
    STRONG = "strong"


class PixelPreprocessing(StrEnum):
    """How the paper may have preprocessed its pixels."""

    VGG16 = "vgg16"
    RAW = "raw"
    UNIT = "unit"


class StrategyName(StrEnum):
    """Whether to train on one machine or on several."""

    ALONE = "alone"
    MULTI_WORKER = "multi-worker"


def fit(
    data: DataOption,
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="strong: fine-tune all of VGG16. paper: train a head on frozen features, as in "
            "the student paper."
        ),
    ] = RecipeName.STRONG,
    votes: Annotated[
        Path | None,
        typer.Option(help="FER+'s CSV file; the strong recipe also trains on its votes."),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            help="VGG16's ImageNet weights without the top; by default Keras downloads them."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="strong: artifact to start from instead of ImageNet's weights, "
            "such as common/models/vgg16-48."
        ),
    ] = None,
    polish: Annotated[
        bool,
        typer.Option(
            "--polish",
            help="strong, with --start: only some last epochs, on whole faces, with "
            "sharpness-aware steps, each of which takes twice as long.",
        ),
    ] = False,
    image_size: Annotated[
        int, typer.Option(min=32, max=512, help="Side in pixels of the model's input.")
    ] = 48,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, show_default="strong 60 (40 with --start, 3 with --polish), paper 500"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, show_default="strong 128, paper 32")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-7,
            max=1.0,
            show_default="strong 0.05 (0.02 with --start, 0.012 with --polish), paper 0.002",
        ),
    ] = None,
    degraded: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            show_default="0",
            help="strong: share of the faces that are blurred, and darkened with noise, and "
            "compressed as JPEG, each for itself.",
        ),
    ] = None,
    preprocessing: Annotated[
        PixelPreprocessing | None,
        typer.Option(
            help="paper: pixels as VGG16 expects them, raw from 0 to 255, or scaled to 0 to 1.",
            show_default="unit",
        ),
    ] = None,
    strategy: Annotated[
        StrategyName,
        typer.Option(help="strong: train on this machine alone, or with the workers in TF_CONFIG."),
    ] = StrategyName.ALONE,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder, new or empty.", show_default="runs/<time>")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the run in --out, which was started with the same options."
        ),
    ] = False,
) -> None:
    """Train a model on FER2013, or on a folder of pictures, and write a run folder.

    Example: `affectline-train fit --data fer2013.csv --votes fer2013new.csv --out runs/strong`

    Example: `affectline-train fit --data fer2013.csv --recipe paper --epochs 500 --batch-size 32
    --learning-rate 0.002`

    Example: `affectline-train fit --data my-faces/ --image-size 96`

    Example: `affectline-train fit --data my-faces/ --start common/models/vgg16-48 --epochs 5`

    Example: `affectline-train fit --data fer2013.csv --votes fer2013new.csv --start models/second
    --polish`

    Example, after a kill or a power cut: repeat the command with `--resume`
    """
    folder = out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    given: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "degraded": degraded,
        "preprocessing": preprocessing.value if preprocessing else None,
    }
    chosen = {name: value for name, value in given.items() if value is not None} | {"seed": seed}
    strong = recipe is RecipeName.STRONG
    beside = {
        "--votes": votes is not None,
        "--start": start is not None,
        "--polish": polish,
        "--strategy multi-worker": strategy is StrategyName.MULTI_WORKER,
        "--resume": resume,
    }
    check_recipe(recipe, chosen, [option for option, used in beside.items() if used])
    check_choices(start, backbone_weights, polish, strategy, resume, out)
    model = artifact.load(start) if start else None
    if strong:
        chosen["image_size"] = image_size
    require_extra("affectline-train fit", "training", "tensorflow", "keras", "scipy")
    with show_progress() as progress:
        run_folder.check_weights(backbone_weights)
        faces = read_data(data, progress, size=image_size, votes=votes)
        warn_of_spellings(faces)
        options = {"recipe": recipe.value, **chosen, "data": faces.sha256}
        options["votes"] = faces.votes_sha256
        if not model:
            options["backbone_weights"] = (
                artifact.checksum(backbone_weights) if backbone_weights else "imagenet"
            )
        if model:
            options["start"] = model.model_id
            options |= {"polish": True} if polish else {}
            chosen = (POLISH if polish else WARM_START) | chosen
        worker = strategy is StrategyName.MULTI_WORKER
        first = not worker or worker_index() == 0
        if first:
            run_folder.open_run_folder(folder, options, resume)
        try:
            if strong:
                run = train_strong(faces, backbone_weights, model, chosen, folder, progress, worker)
            else:
                run = train_paper(faces, backbone_weights, chosen, folder, progress)
        except BaseException:
            if first and not resume:
                run_folder.remove_empty_run_folder(folder)
            raise
    if run is not None:
        print_accuracy(folder, run)


def check_recipe(recipe: RecipeName, chosen: Mapping[str, Any], beside: Sequence[str]) -> None:
    """Reject options that the recipe does not have.

    Args:
        recipe: The recipe.
        chosen: Its settings that were given, by name.
        beside: Options that were given and are no settings; only the strong recipe has them.

    Raises:
        AffectlineError: An option does not apply to the recipe.
    """
    strong = recipe is RecipeName.STRONG
    known = {field.name for field in fields(FinetuneConfig if strong else HeadSettings)}
    unknown = [f"--{name.replace('_', '-')}" for name in chosen if name not in known]
    if not strong:
        unknown += beside
    if unknown:
        other = RecipeName.PAPER if strong else RecipeName.STRONG
        raise AffectlineError(
            f"{unknown[0]} is not for --recipe {recipe}", f"leave it out, or use --recipe {other}"
        )


def check_choices(
    start: Path | None,
    weights: Path | None,
    polish: bool,
    strategy: StrategyName,
    resume: bool,
    out: Path | None,
) -> None:
    """Reject options that contradict or need one another.

    Raises:
        AffectlineError: An option needs ``--start`` or ``--out``, or is of no use with another.
    """
    if polish and not start:
        raise AffectlineError(
            "--polish needs a trained model", "name it with --start, such as common/models/vgg16-48"
        )
    if start and weights:
        raise AffectlineError(
            "--backbone-weights is not used with --start, which has all layers",
            "leave one of them out",
        )
    if out is None and (resume or strategy is StrategyName.MULTI_WORKER):
        option = "--resume" if resume else "--strategy multi-worker"
        raise AffectlineError(f"{option} needs the run folder", "name it with --out")


def train_paper(
    faces: "LabelledFaces",
    weights: Path | None,
    chosen: dict[str, Any],
    folder: Path,
    progress: "Progress",
) -> dict[str, Any] | None:
    """Train with the paper's recipe."""
    with silence_output():
        from affectline.training.fit import paper_head_run
    settings = HeadSettings(**chosen)
    return paper_head_run.fit(faces, weights, settings, folder, progress, run_folder.cache_folder())


def train_strong(
    faces: "LabelledFaces",
    weights: Path | None,
    start: "artifact.Artifact | None",
    chosen: dict[str, Any],
    folder: Path,
    progress: "Progress",
    worker: bool,
) -> dict[str, Any] | None:
    """Train with the strong recipe."""
    # The workers must be joined before any other use of TensorFlow.
    waiting = progress.add_task("Waiting for the other workers", total=None, visible=worker)
    if worker:
        wait_for_first()
    with silence_output():
        strategy = join_workers() if worker else None
        progress.remove_task(waiting)
        from affectline.training.fit import finetune_run
    recipe = FinetuneConfig(**chosen)
    return finetune_run.fit(faces, weights, recipe, folder, progress, strategy, start)
