"""``affectline validate``: the stress estimate against public datasets."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra

validate = typer.Typer(
    help="Validate the stress estimate on public datasets.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Argument(help="Folder of the dataset, laid out as in docs/validation.md.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Docs = Annotated[
    Path | None, typer.Option(help="Write the dataset's section of validation.md to this folder.")
]


@validate.callback()
def require_packages() -> None:
    """Check that the extra is installed before reading a dataset."""
    require_extra("affectline validate", "validation", "scipy")


@validate.command("stress-predict")
def stress_predict(
    folder: Folder,
    as_json: AsJson = False,
    docs: Docs = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            help="Write the coefficients fitted to all people to this file: "
            "services/fusion/coefficients.json in the sources."
        ),
    ] = None,
) -> None:
    """Stress against rest, each person scored with coefficients fitted to the others.

    Example: affectline validate stress-predict ../shared/data/biometrics/stress_predict
    """
    from affectline.services.fusion.stress_model import format_model
    from affectline.services.validation import page
    from affectline.services.validation import stress_predict as dataset

    _require_folders(folder, docs)
    with _progress("people") as progress:
        result = dataset.validate(folder, progress)
    figures = result.summary()
    _print_notes(result.notes)
    model = result.model
    if fit and model is None:
        raise AffectlineError(
            f"--fit {fit}: one person is too few to fit anything", "it needs two people or more"
        )
    if fit and model:
        fitted = format_model(
            model,
            f"affectline validate stress-predict FOLDER --fit FILE: {len(result.people)} people",
        )
        _write_file(fit, lambda path: path.write_text(fitted, "utf-8"))
    if docs:
        _write_file(docs, lambda path: page.write_stress_predict(path, result))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = Table("signals", "pooled AUC", "mean AUC", "lowest", "highest")
    for name, found in figures["sets"].items():
        each = [value for value in found["auc_by_subject"].values() if value is not None]
        row = (
            found["auc_pooled"],
            found["auc_mean"],
            min(each, default=None),
            max(each, default=None),
        )
        table.add_row(name, *(page.format_figure(value, 3) for value in row))
    Console().print(table)


@validate.command("drivedb")
def drivedb(
    folder: Folder,
    as_json: AsJson = False,
    docs: Docs = None,
    skin: Annotated[
        Literal["foot", "hand"], typer.Option(help="Site of the skin conductance.")
    ] = "foot",
    calibration_s: Annotated[
        float,
        typer.Option(
            "--calibration", min=0, max=900, help="Seconds of timed calibration; 0: continuous."
        ),
    ] = 300,
) -> None:
    """Rest against driving, and city against highway, with the default coefficients.

    Example: affectline validate drivedb ../shared/data/biometrics/drivedb
    """
    from affectline.services.validation import drivedb as dataset
    from affectline.services.validation import page

    _require_folders(folder, docs)
    with _progress("drives") as progress:
        result = dataset.validate(folder, skin, calibration_s, progress)
    figures = result.summary()
    _print_notes(result.notes)
    if docs:
        _write_file(docs, lambda path: page.write_drivedb(path, result))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = Table("signals", "driving against rest", "city against highway")
    for name, found in figures["sets"].items():
        pooled = (found[key]["auc_pooled"] for key in ("rest_vs_driving", "city_vs_highway"))
        table.add_row(name, *(page.format_figure(value, 3) for value in pooled))
    Console().print(table)


def _require_folders(folder: Path, docs: Path | None) -> None:
    for name, path in (("FOLDER", folder), ("--docs", docs)):
        if path is not None and not path.is_dir():
            raise AffectlineError(f"{name} {path}: no such folder", "name a folder that exists")


def _print_notes(notes: Iterable[str]) -> None:
    """Print on stderr what was skipped."""
    for note in notes:
        typer.echo(f"affectline: {note}", err=True)


def _write_file(path: Path, write: Callable[[Path], Any]) -> None:
    try:
        write(path)
    except OSError as error:
        raise AffectlineError(
            f"{path}: cannot be written ({error.strerror})", "name a place that you can write to"
        ) from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
