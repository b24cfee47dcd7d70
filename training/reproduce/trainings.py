"""The paper's trainings, run again: they may be stopped at any time."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.fit.checkpoint import Checkpoint, CurvePoint, load, save
from affectline.training.fit.paper_head_loop import HeadLoop, HeadState, Rows, begin, compile_score
from affectline.training.model.features import features_file
from affectline.training.model.paper_network import build_backbone, build_head, weights_digest
from affectline.training.reproduce.grid import RunConfig
from affectline.training.reproduce.parallel_runs import side_by_side

SAVE_SECONDS: Final = 60.0
"""How much work a kill may cost at most."""
RANDOM_SPLIT_SEED: Final = 0
MEMORY_BYTES: Final = 2_000_000_000
"""Room for a process of one trial; 1.4 GB was what one took."""


def scored(epoch: int) -> bool:
    """Whether the test rows are scored after an epoch: each to 50, then every tenth."""
    return epoch <= 50 or epoch % 10 == 0


@dataclass(frozen=True, eq=False)
class ReproductionData:
    """What the trials learn from: small enough to be handed to other processes."""

    targets: NDArray[np.float32]
    """One-hot labels of all rows, ``(N, 7)``."""
    test: NDArray[np.bool_]
    """The file's own test rows, ``(N,)``."""
    identity: dict[str, str]
    """What every figure rests on: digests of the data and of VGG16's weights."""
    features: dict[Preprocessing, Path] = field(default_factory=dict)
    """Files of features ``(N, 512) float32``."""

    @property
    def key(self) -> str:
        """A name for data and weights together."""
        return "".join(digest[:8] for digest in self.identity.values())

    def rows(self, trial: RunConfig) -> tuple[Rows, Rows]:
        """Training and test rows of a trial."""
        features = self.load(trial.settings.preprocessing)
        masks = self.masks(trial.random_split)
        if trial.standardised:
            mean, spread = features[masks[0]].mean(axis=0), features[masks[0]].std(axis=0)
            features = (features - mean) / np.maximum(spread, 1e-6)
        train, test = ((features[mask], self.targets[mask]) for mask in masks)
        return train, test

    def load(self, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Features of all rows ``(N, 512)``."""
        features: NDArray[np.float32] = np.load(self.features[preprocessing])
        return features

    def masks(self, random: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks ``(N,) bool`` of the training and the test rows."""
        test = self.test
        if random:
            test = np.random.default_rng(RANDOM_SPLIT_SEED).permutation(test)
        return ~test, test


def gather(
    faces: LabelledFaces,
    weights: Path | None,
    cache: Path,
    progress: Progress,
    kinds: Collection[Preprocessing] = (),
) -> ReproductionData:
    """Send all faces through VGG16, or find their features in the cache.

    Args:
        faces: All rows of FER2013.
        weights: VGG16's ImageNet weights, as for ``build_backbone``.
        cache: Where features are kept.
        progress: Where bars are shown.
        kinds: Ways of preparing pixels that features are wanted of.
    """
    faces.require(Split.TRAINING, Split.TEST)
    backbone = build_backbone(weights or "imagenet")
    digest = weights_digest(backbone).hex()
    return ReproductionData(
        faces.targets,
        faces.rows(Split.TEST),
        {"data_sha256": faces.sha256, "backbone_sha256": digest},
        {kind: features_file(backbone, faces.pixels, progress, cache, kind) for kind in kinds},
    )


def kept(
    trials: Sequence[RunConfig], material: ReproductionData, work: Path, progress: Progress
) -> dict[str, Checkpoint]:
    """How far each trial has come, by its name; those that never began are missing.

    Raises:
        AffectlineError: A checkpoint belongs to other settings or data.
    """
    found = {}
    for name, trial in {trial.name: trial for trial in trials}.items():
        at, remarks = load(work / name, {**trial.identity, **material.identity})
        for remark in remarks:
            progress.console.print(remark, markup=False, highlight=False, soft_wrap=True)
        if at is not None:
            found[name] = at
    return found


def unfinished(trials: Sequence[RunConfig], places: dict[str, Checkpoint]) -> list[RunConfig]:
    """Those trials that are not at their last epoch."""
    return [
        trial
        for trial in trials
        if trial.name not in places or places[trial.name].state.epoch < trial.settings.epochs
    ]


def run_all(
    trials: Sequence[RunConfig],
    material: ReproductionData,
    work: Path,
    progress: Progress,
    places: dict[str, Checkpoint],
    after: Callable[[dict[str, Checkpoint]], object] = lambda places: None,
    processes: int = 1,
) -> dict[str, Checkpoint]:
    """Run trials, each from where it was stopped, some of them side by side.

    Args:
        trials: What to run, in this order. The same trial may come again with more epochs.
        material: The rows.
        work: Where the checkpoints are; each trial has a folder there.
        progress: Where one bar for everything is shown.
        places: How far they have come, as of ``kept``.
        after: Called after each training with what there is so far.
        processes: How many run at once, each in a process of its own with one thread.

    Returns:
        Where each trial ended, with its learning curve, by its name.

    Raises:
        AffectlineError: A checkpoint cannot be written, or belongs to other settings or data; a
            process was killed.
    """
    places = dict(places)
    bar = _whole(trials, places, material, progress)
    left = unfinished(trials, places)
    steps = {trial.name: _steps(trial, material) for trial in left}
    ended = 0
    with closing(side_by_side(left, material, work, processes)) as passed:
        for trial, epochs in passed:
            progress.update(bar, advance=steps[trial.name] * epochs)
            if not epochs:
                ended += 1
                progress.update(bar, description=f"Trainings ({ended} of {len(left)} done)")
                places |= kept([trial], material, work, progress)
                after(places)
    return places


def run(
    trial: RunConfig,
    at: Checkpoint | None,
    material: ReproductionData,
    work: Path,
    advance: Callable[[], object] = lambda: None,
) -> Checkpoint:
    """Take one trial to its last epoch, with a checkpoint every minute and at the end.

    Args:
        trial: What to run.
        at: Where to begin; at the beginning when there is nothing.
        material: The rows.
        work: Where the checkpoints are.
        advance: Called after each epoch.

    Raises:
        AffectlineError: A checkpoint cannot be written.
    """
    settings, folder = trial.settings, work / trial.name
    identity = {**trial.identity, **material.identity}
    train, test = material.rows(trial)
    at = at or Checkpoint(_first(trial, train[0].shape[1]))
    loop = HeadLoop(train, settings.batch_size, settings.learning_rate, settings.seed)
    score = compile_score(test)
    saved = time.monotonic()
    while at.state.epoch < settings.epochs:
        state, learnt = loop.epoch(at.state)
        curve = at.curve
        if scored(state.epoch):
            seen = score(state.weights)
            mark = CurvePoint(state.epoch, learnt.loss, learnt.accuracy, seen.loss, seen.accuracy)
            curve = (*curve, mark)
        at = Checkpoint(state, curve)
        if time.monotonic() - saved > SAVE_SECONDS:
            save(folder, at, identity)
            saved = time.monotonic()
        advance()
    save(folder, at, identity)
    return at


def _first(trial: RunConfig, columns: int) -> HeadState:
    """The head before its first epoch."""
    keras.utils.set_random_seed(trial.settings.seed)
    return begin(build_head(trial.settings.hidden, columns).get_weights())


def _whole(
    trials: Sequence[RunConfig],
    places: dict[str, Checkpoint],
    material: ReproductionData,
    progress: Progress,
) -> TaskID:
    """One bar over the batches of all trials, as far as they have come."""
    total, done = 0, 0
    last = {trial.name: trial for trial in sorted(trials, key=lambda each: each.settings.epochs)}
    for trial in last.values():
        steps, at = _steps(trial, material), places.get(trial.name)
        total += steps * trial.settings.epochs
        done += steps * min(at.state.epoch, trial.settings.epochs) if at else 0
    return progress.add_task("Trainings", total=total, completed=done)


def _steps(trial: RunConfig, material: ReproductionData) -> int:
    """Batches in an epoch."""
    rows = int(material.masks(trial.random_split)[0].sum())
    return -(-rows // trial.settings.batch_size)
