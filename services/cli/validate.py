"""``affectline validate``: the stress estimate against public datasets, and against a lab's own."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.output_file import check_output_file

validate = typer.Typer(
    help="Validate the stress estimate on public datasets, or your own.", no_args_is_help=True
)

Folder = Annotated[
    Path, typer.Argument(help="Folder of the dataset, laid out as in docs/validation.md.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")]
Docs = Annotated[
    Path | None, typer.Option(help="Write the dataset's section of validation.md to this folder.")
]

COEFFICIENTS: Final = b'{\n  "about": '
"""How the files of ``--fit`` and ``--held-out`` begin."""

Curve = Annotated[
    bool,
    typer.Option("--curve", help="Also measure how figures grow with minutes of rest."),
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
    within: Annotated[
        bool,
        typer.Option(
            "--within", help="Also choose and fit within FOLDER, leaving out who is scored."
        ),
    ] = False,
    curve: Curve = False,
    fit: Annotated[
        Path | None,
        typer.Option(
            help="Choose and fit by all people, and write the coefficients to this file: "
            "services/fusion/coefficients.json in the sources."
        ),
    ] = None,
    drives: Annotated[
        Path | None, typer.Option(help="With --fit: drivedb's folder, to fit to as well.")
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="With --fit: write the models without one person each to this file: "
            "services/validation/held_out.json in the sources."
        ),
    ] = None,
) -> None:
    """Stress against rest, each person scored by a model that never saw them.

    Example: affectline validate stress-predict stress_predict
    """
    from affectline.services.validation import page
    from affectline.services.validation import stress_predict as dataset

    _require_folders(folder, docs, drives)
    for name, value in (("--drives", drives), ("--held-out", held_out)):
        if value and not fit:
            raise AffectlineError(f"{name} {value}: nothing is fitted", "add --fit FILE")
    for name, value in (("--fit", fit), ("--held-out", held_out)):
        if value:
            check_output_file(name, value, "a file of coefficients", COEFFICIENTS)
    if fit:
        _fit(folder, drives, fit, held_out)
    with _progress("people") as progress:
        result = dataset.validate(folder, progress, within=within, curve=curve or bool(docs))
    if fit:
        result = replace(result, notes=(*result.notes, *_note_fit(fit)))
    figures = result.summary()
    _print_notes(result.notes)
    if docs:
        _write_file(docs, lambda path: page.write_stress_predict(path, result))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = Table("signals", "pooled AUC", "mean AUC", "lowest", "highest",
                  title=f"scored by {figures['fitted_to']}")  # fmt: skip
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


def _fit(folder: Path, drives: Path | None, fit: Path, held_out: Path | None) -> None:
    """Write the coefficients fitted to everybody, and those without one person each."""
    from affectline.services.fusion.stress_model import format_model, load_default_model
    from affectline.services.validation import public_fit
    from affectline.services.validation.held_out import format_held_out, load_held_out

    with _progress("models") as progress:
        found = public_fit.fit(folder, drives, progress, held_out=held_out is not None)
    model = format_model(found.model, f"{found.about}; {found.choice.describe()}")
    _write_file(fit, lambda path: path.write_text(model, "utf-8"))
    if held_out:
        models = format_held_out(found.held_out, found.about)
        _write_file(held_out, lambda path: path.write_text(models, "utf-8"))
    load_default_model.cache_clear()
    load_held_out.cache_clear()


def _note_fit(fit: Path) -> Iterator[str]:
    """Yield a note unless the models that score are those that were fitted just now."""
    from affectline.services.fusion.stress_model import COEFFICIENTS as SHIPPED

    if fit.resolve() != SHIPPED.resolve():
        yield (
            f"the figures are those of the shipped models, not of {fit}, which was fitted to all "
            "people of FOLDER"
        )


@validate.command("drivedb")
def drivedb(
    folder: Folder,
    as_json: AsJson = False,
    docs: Docs = None,
    skin: Annotated[
        Literal["both", "foot", "hand"], typer.Option(help="Sites of the skin conductance.")
    ] = "both",
    calibration_s: Annotated[
        float,
        typer.Option(
            "--calibration", min=0, max=900, help="Seconds of timed calibration; 0: continuous."
        ),
    ] = 300,
    curve: Curve = False,
) -> None:
    """Rest against driving, and city against highway, by models that never saw the drive.

    Example: affectline validate drivedb drivedb
    """
    from affectline.services.validation import drivedb as dataset
    from affectline.services.validation import page

    _require_folders(folder, docs)
    with _progress("drives") as progress:
        result = dataset.validate(folder, skin, calibration_s, progress, curve=curve or bool(docs))
    figures = result.summary()
    _print_notes(result.notes)
    if docs:
        _write_file(docs, lambda path: page.write_drivedb(path, result))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = Table("signals", "driving against rest", "city against highway",
                  title=f"scored by {figures['fitted_to']}")  # fmt: skip
    for name, found in figures["sets"].items():
        pooled = (found[key]["auc_pooled"] for key in ("rest_vs_driving", "city_vs_highway"))
        table.add_row(name, *(page.format_figure(value, 3) for value in pooled))
    Console().print(table)


@validate.command("sessions")
def sessions(
    folder: Annotated[Path, typer.Argument(help="Folder with session folders, at any depth.")],
    stress: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL|FROM..TO",
            help="Parts under stress: an annotation's or marker's label, or a range. Repeatable.  "
            "[default: stress]",
        ),
    ] = None,
    rest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL|FROM..TO", help="Parts at rest, named likewise.  [default: rest]"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Your own sessions, fitted without who is scored; does the face add anything?

    Example: affectline validate sessions study --stress task --rest rest..task
    """
    from affectline.services.study.study import find_sessions
    from affectline.services.validation import page
    from affectline.services.validation import sessions as lab

    folders = find_sessions(folder)
    with _progress("people") as progress:
        result = lab.validate(folders, stress or ["stress"], rest or ["rest"], progress)
    figures = result.summary()
    _print_notes(result.notes)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = Table("signals", "pooled AUC", "mean AUC", "shipped model, pooled",
                  title=f"{len(result.people)} people, by {figures['fitted_to']}")  # fmt: skip
    for name, found in figures["sets"].items():
        shipped = figures["shipped_model"].get(name, {}).get("auc_pooled")
        row = (found["auc_pooled"], found["auc_mean"], shipped)
        table.add_row(name, *(page.format_figure(value, 3) for value in row))
    Console().print(table)
    if result.gain is None:
        typer.echo("The face cannot be compared: it needs sessions with a face and with sensors.")
    else:
        gain = result.gain
        typer.echo(
            f"With the face: {gain.mean:+.3f} in area under the curve, 95 % interval over people "
            f"{gain.low:+.3f} to {gain.high:+.3f}; fitted weight {result.face_weight or 0:.2f}; "
            f"{gain.verdict}."
        )


def _require_folders(folder: Path, docs: Path | None, drives: Path | None = None) -> None:
    for name, path in (("FOLDER", folder), ("--docs", docs), ("--drives", drives)):
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
