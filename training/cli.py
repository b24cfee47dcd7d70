"""The command ``affectline-train``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from rich.table import Table

from common.artifact import DEFAULT_MODEL, load
from common.errors import AffectlineError
from common.labels import LABELS
from training import runs
from training.quiet import quiet
from training.splits import Split

if TYPE_CHECKING:
    from training.dataset import Faces

app = typer.Typer(
    help="Train, measure and export the emotion classifier.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
output = Console()
notes = Console(stderr=True)

Data = Annotated[
    Path, typer.Option("--data", help="FER2013's CSV file; .xz, .gz and .zip are read as well.")
]


def main() -> None:
    """Run the command; what the user can put right ends in one line and exit code 1."""
    # Before TensorFlow is imported: its start-up remarks say nothing to users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except AffectlineError as error:
        notes.print(f"affectline-train: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@contextmanager
def bars() -> Iterator[Progress]:
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


@app.command()
def fit(
    data: Data,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(help="VGG16's ImageNet weights without the top; else Keras fetches them."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 500,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    learning_rate: Annotated[float, typer.Option(min=1e-7, max=1.0)] = 0.002,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder, new or empty.", show_default="runs/<time>")
    ] = None,
) -> None:
    """Train the paper's model on FER2013 and write a run folder.

    Example: `affectline-train fit --data fer2013.csv --epochs 500 --out runs/first`
    """
    folder = out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    with bars() as progress:
        runs.check_weights(backbone_weights)
        faces = read(data, progress)
        runs.claim_run_folder(folder)
        with quiet():
            from training import train

        settings = train.Settings(epochs, batch_size, learning_rate, seed)
        cache = runs.cache_folder()
        run = train.fit(faces, backbone_weights, settings, folder, progress, cache)
    figures = ", ".join(f"{split} {value:.2%}" for split, value in run["accuracy"].items())
    output.print(f"{folder}: accuracy {figures}", highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    data: Data,
    artifact: Annotated[
        Path, typer.Option(help="Folder with manifest.json, as export writes it.")
    ] = DEFAULT_MODEL,
    split: Annotated[Split, typer.Option(help="Rows to measure on.")] = Split.PRIVATE_TEST,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
) -> None:
    """Measure the served int8 file of an artifact on a split of FER2013.

    Example: `affectline-train evaluate --data fer2013.csv --split PrivateTest`
    """
    with bars() as progress:
        from training import evaluate as measure

        opened = load(artifact)
        model = measure.open_served(opened)
        faces = read(data, progress).only(split)
        probabilities = measure.to_probabilities(model.run(faces.pixels, progress), opened.manifest)
    figures = measure.report(probabilities, faces.emotions)
    if as_json:
        output.print_json(data={"model": opened.model_id, "split": split.value, **figures})
        return
    output.print(
        f"{opened.model_id} on {figures['rows']} {split} faces: "
        f"accuracy {figures['accuracy']:.2%}, mean confidence {figures['mean_confidence']:.2%}, "
        f"expected calibration error {figures['calibration_error']:.2%}",
        highlight=False,
        soft_wrap=True,
    )
    output.print(confusion_table(figures))


def confusion_table(figures: dict[str, Any]) -> Table:
    """Rows are true emotions, columns given ones; precision below, recall at the right."""
    table = Table(title="True emotion by row, given emotion by column")
    table.add_column("")
    for label in LABELS:
        table.add_column(label, justify="right")
    table.add_column("recall", justify="right")
    for label, counts in zip(LABELS, figures["confusion"], strict=True):
        cells = [str(count) for count in counts]
        table.add_row(label, *cells, as_percent(figures["emotions"][label]["recall"]))
    table.add_section()
    precisions = [figures["emotions"][label]["precision"] for label in LABELS]
    table.add_row("precision", *map(as_percent, precisions), "")
    return table


def as_percent(share: float | None) -> str:
    """A share of 0 to 1 as percent, a dash when there is none."""
    return "-" if share is None else f"{share:.1%}"


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder that fit wrote.")],
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Artifact folder; an artifact that is there is replaced.")
    ] = Path("common/models/vgg16-48"),
    name: Annotated[str, typer.Option(help="Name in the manifest.")] = "vgg16-48",
    with_reference: Annotated[
        bool,
        typer.Option("--with-reference", help="Put the float model beside it (170 MB)."),
    ] = False,
) -> None:
    """Quantize a run's model to int8 and write the artifact that the classifier serves.

    Example: `affectline-train export runs/first --data fer2013.csv --out models/first`
    """
    with bars() as progress:
        runs.check_artifact_folder(out)
        runs.check_run_folder(run)
        faces = read(data, progress)
        with quiet():
            from training import export as exporting

        finished = exporting.load_run(run, faces)
        manifest = exporting.export(finished, faces, out, name, with_reference, progress)
    for kind, splits in manifest.metrics.items():
        figures = ", ".join(f"{split} {value['accuracy']:.2%}" for split, value in splits.items())
        output.print(f"{kind}: accuracy {figures}", highlight=False, soft_wrap=True)
    output.print(f"{out}: temperature {manifest.temperature:.3g}", highlight=False, soft_wrap=True)


def read(data: Path, progress: Progress) -> "Faces":
    """The data, under a bar that only pulses: how many rows there are shows at the end."""
    from training import dataset

    task = progress.add_task(f"Reading {data.name}", total=None)
    faces = dataset.load(data)
    progress.update(task, total=len(faces), completed=len(faces))
    return faces


if __name__ == "__main__":
    main()
