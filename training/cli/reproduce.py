"""``affectline-train reproduce``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectline.common.extras import require_extra
from affectline.training import run_folder
from affectline.training.cli.console import output, show_progress
from affectline.training.cli.data_option import DataOption, read_data
from affectline.training.silence_output import silence_output

if TYPE_CHECKING:
    from rich.progress import Progress

    from affectline.training.data.faces import LabelledFaces
    from affectline.training.reproduce.checkpoint import Checkpoint
    from affectline.training.reproduce.grid import Grid


def reproduce(
    data: DataOption,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            help="VGG16's ImageNet weights without the top; by default Keras downloads them."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder for the checkpoints.", show_default="in the cache folder"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.md.")] = Path("docs"),
    run: Annotated[
        bool, typer.Option(help="Train what is missing, or only rewrite the page.")
    ] = True,
) -> None:
    """Repeat the trainings of the paper's tables and write the results beside the paper's.

    This takes two to three hours on two cores, and uses all cores. If it is stopped, the same
    command resumes from the last checkpoint, which is at most a minute old. The page is rewritten
    after every training.

    Example: `affectline-train reproduce --data fer2013.csv`
    """
    require_extra(
        "affectline-train reproduce", "reproduce", "tensorflow", "keras", "scipy", "matplotlib"
    )
    with show_progress() as progress:
        run_folder.check_weights(backbone_weights)
        faces = read_data(data, progress)
        with silence_output():
            from affectline.training.reproduce.grid import Grid
        page = reproduce_tables(
            Grid(), faces, backbone_weights, work or default_work(), out, run, progress
        )
    output.print(str(page), markup=False, highlight=False, soft_wrap=True)


def default_work() -> Path:
    """The default folder for checkpoints."""
    return run_folder.cache_folder() / "paper"


def reproduce_tables(
    grid: "Grid",
    faces: "LabelledFaces",
    weights: Path | None,
    work: Path,
    out: Path,
    train: bool,
    progress: "Progress",
) -> Path:
    """Train what is missing from the tables and write the page.

    Args:
        grid: The tables and their trainings.
        faces: All rows of FER2013.
        weights: File of VGG16's ImageNet weights; ``None`` lets Keras download them.
        work: Folder for the checkpoints, with a sub-folder for each set of data.
        out: Folder for the page.
        train: Whether to train, or only to write the page.
        progress: Where bars are shown.

    Returns:
        The path of the page.
    """
    from affectline.training.reproduce import report, schedule
    from affectline.training.reproduce.data import extract_data

    data = extract_data(faces, weights, run_folder.cache_folder(), progress)
    rows = [int(mask.sum()) for mask in data.masks(random=False)]
    runs, folder = grid.plan(), work / data.key

    def write_page(checkpoints: "dict[str, Checkpoint]") -> Path:
        curves = {name: checkpoint.curve for name, checkpoint in checkpoints.items()}
        return report.write(report.ResultsPage(grid, curves, *rows), out)

    checkpoints = schedule.load_checkpoints(runs, data, folder, progress)
    unfinished = schedule.select_unfinished(runs, checkpoints)
    if not (train and unfinished):
        return write_page(checkpoints)
    report.check_writable(out)  # now, not after hours of training
    kinds = {run.settings.preprocessing for run in unfinished}
    data = extract_data(faces, weights, run_folder.cache_folder(), progress, kinds)
    processes = count_processes(schedule.MEMORY_BYTES)
    return write_page(
        schedule.run_all(runs, data, folder, progress, checkpoints, write_page, processes)
    )


def count_processes(memory: int) -> int:
    """How many processes of ``memory`` bytes each the cores and the memory allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores or 1, available // memory))
