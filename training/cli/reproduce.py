"""``affectline-train reproduce``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectline.training import run_folder as runs
from affectline.training.cli.cli_common import Data, bars, output, read
from affectline.training.silence_output import silence_output

if TYPE_CHECKING:
    from rich.progress import Progress

    from affectline.training.data.faces import LabelledFaces
    from affectline.training.fit.checkpoint import Checkpoint
    from affectline.training.reproduce.grid import Grid


def reproduce(
    data: Data,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(help="VGG16's ImageNet weights without the top; else Keras fetches them."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of the checkpoints.", show_default="in the cache folder"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where results.md is written.")] = Path("docs"),
    run: Annotated[
        bool, typer.Option(help="Train what is missing, or only write the page anew.")
    ] = True,
) -> None:
    """Run all of the paper's tables and write them beside the paper's figures.

    It takes two to three hours on two cores, and uses all that there are. Stopped in any way, the
    same command goes on from the last checkpoint, which is at most a minute old; the page is
    written after every training.

    Example: `affectline-train reproduce --data fer2013.csv`
    """
    with bars() as progress:
        runs.check_weights(backbone_weights)
        faces = read(data, progress)
        with silence_output():
            from affectline.training.reproduce.grid import Grid
        page = reproduce_tables(
            Grid(), faces, backbone_weights, work or default_work(), out, run, progress
        )
    output.print(str(page), markup=False, highlight=False, soft_wrap=True)


def default_work() -> Path:
    """Where the checkpoints are kept unless a folder is named."""
    return runs.cache_folder() / "paper"


def reproduce_tables(
    tables: "Grid",
    faces: "LabelledFaces",
    weights: Path | None,
    work: Path,
    out: Path,
    run: bool,
    progress: "Progress",
) -> Path:
    """Run what is missing of some tables and write the page.

    Args:
        tables: What is to be run and shown.
        faces: All rows of FER2013.
        weights: File of VGG16's ImageNet weights; ``None`` lets Keras fetch them.
        work: Where the checkpoints are, those of other data beside them.
        out: Folder of the page.
        run: Whether to train at all.
        progress: Where bars are shown.

    Returns:
        The page's file.
    """
    from affectline.training.reproduce import report as results
    from affectline.training.reproduce import trainings as trials

    material = trials.gather(faces, weights, runs.cache_folder(), progress)
    rows = [int(mask.sum()) for mask in material.masks(random=False)]
    wanted, folder = tables.trials(), work / material.key

    def write(places: "dict[str, Checkpoint]") -> Path:
        curves = {name: place.curve for name, place in places.items()}
        return results.write(results.ResultsPage(tables, curves, *rows), out)

    places = trials.kept(wanted, material, folder, progress)
    left = trials.unfinished(wanted, places)
    if not (run and left):
        return write(places)
    results.check(out)  # before hours go by
    kinds = {trial.settings.preprocessing for trial in left}
    material = trials.gather(faces, weights, runs.cache_folder(), progress, kinds)
    return write(
        trials.run_all(
            wanted, material, folder, progress, places, write, at_once(trials.MEMORY_BYTES)
        )
    )


def at_once(memory: int) -> int:
    """How many processes there are processors for, and memory: each takes so many bytes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores or 1, there // memory))
