"""One training of the paper's head, which can be stopped at any time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import keras

from affectline.training.fit.paper_head_loop import (
    HeadLoop,
    HeadState,
    compile_score,
    initial_state,
)
from affectline.training.model.paper_network import build_head
from affectline.training.reproduce.checkpoint import Checkpoint, CurvePoint, save
from affectline.training.reproduce.data import ReproductionData
from affectline.training.reproduce.grid import RunConfig

SAVE_SECONDS: Final = 60.0
"""Seconds between checkpoints: the most work that a kill may cost."""


def is_scored(epoch: int) -> bool:
    """Whether the test rows are scored after an epoch: every epoch up to 50, then every tenth."""
    return epoch <= 50 or epoch % 10 == 0


def train_run(
    run: RunConfig,
    checkpoint: Checkpoint | None,
    data: ReproductionData,
    work: Path,
    on_epoch: Callable[[], object] = lambda: None,
) -> Checkpoint:
    """Train one run to its last epoch, with a checkpoint every minute and at the end.

    Args:
        run: The run.
        checkpoint: Where to start; ``None`` starts at the first epoch.
        data: The training data.
        work: Folder of the checkpoints.
        on_epoch: Called after each epoch.

    Raises:
        AffectlineError: A checkpoint cannot be written.
    """
    settings, folder = run.settings, work / run.name
    identity = {**run.identity, **data.identity}
    train, test = data.rows(run)
    checkpoint = checkpoint or Checkpoint(_initial_state(run, train[0].shape[1]))
    loop = HeadLoop(train, settings.batch_size, settings.learning_rate, settings.seed)
    score = compile_score(test)
    saved = time.monotonic()
    while checkpoint.state.epoch < settings.epochs:
        state, train_scores = loop.run_epoch(checkpoint.state)
        curve = checkpoint.curve
        if is_scored(state.epoch):
            test_scores = score(state.weights)
            point = CurvePoint(
                state.epoch,
                train_scores.loss,
                train_scores.accuracy,
                test_scores.loss,
                test_scores.accuracy,
            )
            curve = (*curve, point)
        checkpoint = Checkpoint(state, curve)
        if time.monotonic() - saved > SAVE_SECONDS:
            save(folder, checkpoint, identity)
            saved = time.monotonic()
        on_epoch()
    save(folder, checkpoint, identity)
    return checkpoint


def _initial_state(run: RunConfig, columns: int) -> HeadState:
    """The head before its first epoch."""
    keras.utils.set_random_seed(run.settings.seed)
    return initial_state(build_head(run.settings.hidden, columns).get_weights())
