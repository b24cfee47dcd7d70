"""Runs those of the paper's trainings that are not finished."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.progress import Progress, TaskID

from affectline.training.reproduce.checkpoint import Checkpoint, load
from affectline.training.reproduce.data import ReproductionData
from affectline.training.reproduce.grid import RunConfig
from affectline.training.reproduce.parallel_runs import run_in_parallel

MEMORY_BYTES: Final = 2_000_000_000
"""Memory for the process of one run; one took 1.4 GB."""


def load_checkpoints(
    runs: Sequence[RunConfig], data: ReproductionData, work: Path, progress: Progress
) -> dict[str, Checkpoint]:
    """The checkpoint of each run, by its name; runs that never started are missing.

    Raises:
        AffectlineError: A checkpoint belongs to other settings or data.
    """
    found = {}
    for name, run in {run.name: run for run in runs}.items():
        checkpoint, remarks = load(work / name, {**run.identity, **data.identity})
        for remark in remarks:
            progress.console.print(remark, markup=False, highlight=False, soft_wrap=True)
        if checkpoint is not None:
            found[name] = checkpoint
    return found


def select_unfinished(
    runs: Sequence[RunConfig], checkpoints: dict[str, Checkpoint]
) -> list[RunConfig]:
    """The runs that have not reached their last epoch."""
    return [
        run
        for run in runs
        if run.name not in checkpoints or checkpoints[run.name].state.epoch < run.settings.epochs
    ]


def run_all(
    runs: Sequence[RunConfig],
    data: ReproductionData,
    work: Path,
    progress: Progress,
    checkpoints: dict[str, Checkpoint],
    on_finished: Callable[[dict[str, Checkpoint]], object] = lambda checkpoints: None,
    processes: int = 1,
) -> dict[str, Checkpoint]:
    """Train unfinished runs from their last checkpoints, several in parallel.

    Args:
        runs: The runs, in this order. The same run may occur again with more epochs.
        data: The training data.
        work: Folder of the checkpoints, with a sub-folder for each run.
        progress: Where one bar for everything is shown.
        checkpoints: The present checkpoints, as ``load_checkpoints`` returns them.
        on_finished: Called after each training with the checkpoints so far.
        processes: How many run at once, each in its own process with one thread.

    Returns:
        The last checkpoint of each run, with its learning curve, by its name.

    Raises:
        AffectlineError: A checkpoint cannot be written, or belongs to other settings or data; a
            process was killed.
    """
    checkpoints = dict(checkpoints)
    bar = _add_bar(runs, checkpoints, data, progress)
    unfinished = select_unfinished(runs, checkpoints)
    steps = {run.name: _steps_per_epoch(run, data) for run in unfinished}
    finished = 0
    with closing(run_in_parallel(unfinished, data, work, processes)) as finished_epochs:
        for run, epochs in finished_epochs:
            progress.update(bar, advance=steps[run.name] * epochs)
            if not epochs:
                finished += 1
                progress.update(
                    bar, description=f"Trainings ({finished} of {len(unfinished)} done)"
                )
                checkpoints |= load_checkpoints([run], data, work, progress)
                on_finished(checkpoints)
    return checkpoints


def _add_bar(
    runs: Sequence[RunConfig],
    checkpoints: dict[str, Checkpoint],
    data: ReproductionData,
    progress: Progress,
) -> TaskID:
    """Add one bar over the batches of all runs, at their present state."""
    total, done = 0, 0
    last = {run.name: run for run in sorted(runs, key=lambda each: each.settings.epochs)}
    for run in last.values():
        steps, checkpoint = _steps_per_epoch(run, data), checkpoints.get(run.name)
        total += steps * run.settings.epochs
        done += steps * min(checkpoint.state.epoch, run.settings.epochs) if checkpoint else 0
    return progress.add_task("Trainings", total=total, completed=done)


def _steps_per_epoch(run: RunConfig, data: ReproductionData) -> int:
    """Batches in an epoch."""
    rows = int(data.masks(run.random_split)[0].sum())
    return -(-rows // run.settings.batch_size)
