"""The paper's tables, run again: what is to be run, and the running, which may be stopped."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from common.images import Preprocessing
from training.checkpoint import Mark, Place, load, save
from training.dataset import Faces
from training.features import extract_features
from training.head import Loop, Rows, State, begin, compile_score
from training.model import build_backbone, build_head, weights_digest
from training.splits import Split
from training.train import Settings

SAVE_SECONDS: Final = 60.0
"""How much work a kill may cost at most."""
RANDOM_SPLIT_SEED: Final = 0


@dataclass(frozen=True)
class Trial:
    """One training of the head. ``settings.epochs`` is where it ends, not what it is."""

    settings: Settings
    standardised: bool = False
    """Whether each feature is made mean 0 and variance 1 over the training rows."""
    random_split: bool = False
    """Whether the test rows are not the file's own but as many drawn from all rows."""

    @property
    def name(self) -> str:
        """The name of its folder; the same for every number of epochs."""
        s = self.settings
        words = [s.preprocessing, f"b{s.batch_size}", f"lr{s.learning_rate:g}", f"seed{s.seed}"]
        words += ["standardised"] * self.standardised + ["random"] * self.random_split
        return "-".join(words)

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must have been made with."""
        settings = {key: value for key, value in asdict(self.settings).items() if key != "epochs"}
        return {**settings, "standardised": self.standardised, "random_split": self.random_split}


@dataclass(frozen=True)
class Line:
    """A line of one of the paper's tables."""

    label: str
    epochs: int = 500
    batch_size: int = 32
    learning_rate: float = 0.002

    def trial(self, preprocessing: Preprocessing, seed: int = 0) -> Trial:
        """The training that gives its figure."""
        return Trial(
            Settings(
                self.epochs,
                self.batch_size,
                self.learning_rate,
                seed,
                preprocessing=preprocessing,
            )
        )


@dataclass(frozen=True)
class Tables:
    """What is to be run and shown. One run to the last number of epochs passes the others."""

    sizes: tuple[Line, ...] = tuple(Line(str(size), batch_size=size) for size in (32, 64, 128))
    lengths: tuple[Line, ...] = tuple(
        Line(f"{epochs:,}", epochs) for epochs in (500, 1000, 5000, 10000)
    )
    rates: tuple[Line, ...] = tuple(Line(f"{r:g}", learning_rate=r) for r in (0.002, 0.001))
    preprocessings: tuple[Preprocessing, ...] = ("unit", "vgg16", "raw")
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def short(self) -> tuple[Line, ...]:
        """The lines that are trained with every seed: all but the long ones."""
        return tuple(dict.fromkeys(replace(x, label="") for x in (*self.sizes, *self.rates)))

    @property
    def experiments(self) -> tuple[Trial, ...]:
        """Other causes that a difference might have, at the largest batch size."""
        last = [self.sizes[-1].trial(each) for each in self.preprocessings]
        return (
            *(replace(trial, standardised=True) for trial in last),
            *(replace(trial, random_split=True) for trial in last),
        )

    def trials(self) -> list[Trial]:
        """Everything, what says most first: one seed, experiments, the long run, more seeds."""
        first, *more = self.seeds
        kinds = self.preprocessings
        return [
            *(line.trial(kind, first) for line in self.short for kind in kinds),
            *self.experiments,
            *(line.trial(kind, first) for kind in kinds[:2] for line in self.lengths),
            *(line.trial(kind, s) for s in more for kind in kinds for line in self.short),
        ]


def scored(epoch: int) -> bool:
    """Whether the test rows are scored after an epoch: each to 50, then every tenth."""
    return epoch <= 50 or epoch % 10 == 0


class Material:
    """Features and targets of the trials, made once.

    Args:
        faces: All rows of FER2013.
        weights: VGG16's ImageNet weights, as for ``build_backbone``.
        cache: Where features are kept.
        progress: Where bars are shown.
    """

    def __init__(self, faces: Faces, weights: Path | None, cache: Path, progress: Progress) -> None:
        faces.require(Split.TRAINING, Split.TEST)
        self.faces = faces
        self._backbone = build_backbone(weights or "imagenet")
        digest = weights_digest(self._backbone).hex()
        self.key = f"{faces.sha256[:8]}{digest[:8]}"
        """A name for data and weights together."""
        self.identity = {"data_sha256": faces.sha256, "backbone_sha256": digest}
        """What every figure rests on."""
        self._cache = cache
        self._progress = progress
        self._last: tuple[str, NDArray[np.float32]] | None = None

    def rows(self, trial: Trial) -> tuple[Rows, Rows]:
        """Training and test rows of a trial."""
        features = self._features(trial.settings.preprocessing)
        masks = self.masks(trial.random_split)
        if trial.standardised:
            mean, spread = features[masks[0]].mean(axis=0), features[masks[0]].std(axis=0)
            features = (features - mean) / np.maximum(spread, 1e-6)
        train, test = ((features[mask], self.faces.targets[mask]) for mask in masks)
        return train, test

    def masks(self, random: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks ``(N,) bool`` of the training and the test rows."""
        test = self.faces.rows(Split.TEST)
        if random:
            test = np.random.default_rng(RANDOM_SPLIT_SEED).permutation(test)
        return ~test, test

    def _features(self, preprocessing: Preprocessing) -> NDArray[np.float32]:
        if self._last is None or self._last[0] != preprocessing:
            features = extract_features(
                self._backbone, self.faces.pixels, self._progress, self._cache, preprocessing
            )
            self._last = preprocessing, features
        return self._last[1]


def kept(
    trials: Sequence[Trial], material: Material, work: Path, progress: Progress
) -> dict[str, Place]:
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


def run_all(
    trials: Sequence[Trial],
    material: Material,
    work: Path,
    progress: Progress,
    after: Callable[[dict[str, Place]], object] = lambda places: None,
) -> dict[str, Place]:
    """Run trials one after the other, each from where it was stopped.

    Args:
        trials: What to run, in this order. The same trial may come again with more epochs.
        material: The rows.
        work: Where the checkpoints are; each trial has a folder there.
        progress: Where one bar for everything is shown.
        after: Called after each training with what there is so far.

    Returns:
        Where each trial ended, with its learning curve, by its name.

    Raises:
        AffectlineError: A checkpoint cannot be written, or belongs to other settings or data.
    """
    places = kept(trials, material, work, progress)
    bar = _whole(trials, places, material, progress)
    for trial in trials:
        at = places.get(trial.name)
        if at is None or at.state.epoch < trial.settings.epochs:
            progress.update(bar, description=trial.name)
            advance = partial(progress.advance, bar, _steps(trial, material))
            places[trial.name] = run(trial, at, material, work, advance)
            after(places)
    return places


def run(
    trial: Trial,
    at: Place | None,
    material: Material,
    work: Path,
    advance: Callable[[], object] = lambda: None,
) -> Place:
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
    at = at or Place(_first(trial, train[0].shape[1]))
    loop = Loop(train, settings.batch_size, settings.learning_rate, settings.seed)
    score = compile_score(test)
    saved = time.monotonic()
    while at.state.epoch < settings.epochs:
        state, learnt = loop.epoch(at.state)
        curve = at.curve
        if scored(state.epoch):
            seen = score(state.weights)
            mark = Mark(state.epoch, learnt.loss, learnt.accuracy, seen.loss, seen.accuracy)
            curve = (*curve, mark)
        at = Place(state, curve)
        if time.monotonic() - saved > SAVE_SECONDS:
            save(folder, at, identity)
            saved = time.monotonic()
        advance()
    save(folder, at, identity)
    return at


def _first(trial: Trial, columns: int) -> State:
    """The head before its first epoch."""
    keras.utils.set_random_seed(trial.settings.seed)
    return begin(build_head(trial.settings.hidden, columns).get_weights())


def _whole(
    trials: Sequence[Trial], places: dict[str, Place], material: Material, progress: Progress
) -> TaskID:
    """One bar over the batches of all trials, as far as they have come."""
    total, done = 0, 0
    last = {trial.name: trial for trial in sorted(trials, key=lambda each: each.settings.epochs)}
    for trial in last.values():
        steps, at = _steps(trial, material), places.get(trial.name)
        total += steps * trial.settings.epochs
        done += steps * min(at.state.epoch, trial.settings.epochs) if at else 0
    return progress.add_task("Trials", total=total, completed=done)


def _steps(trial: Trial, material: Material) -> int:
    """Batches in an epoch."""
    rows = int(material.masks(trial.random_split)[0].sum())
    return -(-rows // trial.settings.batch_size)
