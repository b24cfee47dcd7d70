"""A run of the strong recipe: epochs, checkpoints, logs and the final model."""

import csv
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError, first_line
from affectline.common.model.artifact import Artifact
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import accuracy, log_loss
from affectline.training.fit.distributed import worker_index
from affectline.training.fit.hyperparameters import FinetuneConfig
from affectline.training.fit.run_record import name_weights, save_run
from affectline.training.fit.trainer import MOMENTUM, Trainer, TrainingData
from affectline.training.model.features import run_model
from affectline.training.model.network import Network, build_served_model, build_two_label_set_model
from affectline.training.model.paper_network import remove_softmax
from affectline.training.model.warm_start import read_weights
from affectline.training.run_folder import CHECKPOINTS, HISTORY, LAST_LAYERS, TENSORBOARD

SCORED_TRAINING_FACES: Final = 1024
"""Training faces that are scored after each epoch, in addition to the public test rows."""
KEPT: Final = 2
"""Checkpoints that are kept."""
BLENDS: Final = tuple(tenth / 10 for tenth in range(11))
START_SHARES: Final = (0.0, 0.25, 0.5)
"""Shares of the initial weights that are tried in the final network."""


@dataclass(frozen=True)
class EpochLog:
    """One line of ``history.csv``; accuracies are 0 to 1, losses in nats."""

    epoch: int
    loss: float
    """Of both last layers, on the augmented training faces."""
    accuracy: float
    """On the same faces; if far from ``training_accuracy``, something is wrong."""
    training_accuracy: float
    """Of the averaged weights, on unmodified training faces."""
    public_accuracy: float
    """Of the averaged weights, on the public test rows."""
    public_loss: float
    seconds: float


def fit(
    faces: LabelledFaces,
    weights: Path | None,
    recipe: FinetuneConfig,
    folder: Path,
    progress: Progress,
    strategy: Any = None,
    start: Artifact | None = None,
) -> dict[str, Any] | None:
    """Train, save and measure; resumes from checkpoints in the run folder.

    Args:
        faces: FER2013 or other faces, with votes if there are any.
        weights: File of VGG16's ImageNet weights; ``None`` lets Keras download them.
        recipe: The hyperparameters of the run.
        folder: The run's folder.
        progress: Where a bar is shown.
        strategy: A ``tf.distribute`` strategy; its first worker writes the run folder.
        start: A model to take the initial weights from, instead of ImageNet's.

    Returns:
        The content of ``run.json``; ``None`` on all workers but the first.

    Raises:
        AffectlineError: The data lacks a split, no training row has votes though others have, the
            weights do not fit, a checkpoint cannot be written or read.
    """
    faces.require(Split.TRAINING, Split.PUBLIC_TEST)
    if faces.votes.any():
        faces.require_votes()
    started = time.perf_counter()
    tf.config.experimental.enable_op_determinism()
    begin: Any = read_weights(start) if start else weights or "imagenet"
    trainer = Trainer(select_training_data(faces), recipe, begin, strategy)
    first = strategy is None or worker_index() == 0
    with restored_checkpoints(trainer, folder, first, progress) as save:
        train(trainer, faces, folder if first else None, save, progress)
    if not first:
        return None
    public = faces.select(Split.PUBLIC_TEST)
    learnt = recipe.epochs > recipe.warm_epochs  # otherwise the convolutions are unchanged
    share, network = (
        choose_start_share(trainer, public) if start and learnt else (0.0, trainer.average)
    )
    chosen = asdict(recipe) | ({"start_share": share} if start else {})
    about = ABOUT | ({"started_from": start.model_id} if start else {})
    seconds = time.perf_counter() - started
    backbone = None if start else name_weights(weights)
    return save_network(network, faces, folder, about, chosen, progress, backbone, seconds)


def save_network(
    network: Network,
    faces: LabelledFaces,
    folder: Path,
    about: dict[str, Any],
    settings: dict[str, Any],
    progress: Progress,
    backbone: str | None,
    seconds: float,
) -> dict[str, Any]:
    """Choose the votes' weight of a trained network, and write it as a finished run.

    Args:
        network: The network.
        faces: The data.
        folder: The run's folder.
        about: What ``run.json`` says of the recipe.
        settings: What it says of the settings; ``image_size`` is the side of the pictures.
        progress: Where a bar is shown.
        backbone: What VGG16's ImageNet weights were read from; ``None``: they were not used.
        seconds: How long the run took.

    Returns:
        The content of ``run.json``.

    Raises:
        AffectlineError: The files cannot be written.
    """
    voted = bool(faces.votes.any())
    votes = choose_votes_weight(network, faces.select(Split.PUBLIC_TEST)) if voted else 0.0
    model = build_served_model(network, settings["image_size"], votes)
    layers = network.last_layers()
    if voted:
        np.savez(folder / LAST_LAYERS, **layers)
    logits_model = (
        build_two_label_set_model(model, layers, votes) if voted else remove_softmax(model)
    )
    logits = run_model(logits_model, faces.pixels, progress, "Finished model")
    about = {**about, "settings": settings | {"votes_weight": votes}}
    return save_run(folder, model, logits, faces, about, backbone, seconds)


ABOUT: Final = {
    "recipe": "strong: all of VGG16 (ImageNet) fine-tuned, without its last pooling, batch "
    "normalisation during training, average pooling, dense head, softmax",
    "loss": "categorical_crossentropy on smoothed labels, and on FER+ votes by a second layer",
    "optimizer": {"name": "SGD", "momentum": MOMENTUM, "nesterov": True},
}


def select_training_data(faces: LabelledFaces) -> TrainingData:
    """The training rows; if the data has votes, only the rows with votes."""
    chosen = faces.rows(Split.TRAINING)
    has_votes = faces.votes.any(axis=1)
    if has_votes.any():
        chosen &= has_votes
    return TrainingData(faces.pixels[chosen], faces.emotions[chosen], faces.votes[chosen])


@contextmanager
def restored_checkpoints(
    trainer: Trainer, folder: Path, first: bool, progress: Progress
) -> Iterator[Any]:
    """Restore the latest readable checkpoint, if any; yields a function that saves the next.

    TensorFlow writes a new checkpoint beside the latest, so a kill or a full disk in between leaves
    the previous one. Its own list, the text file ``checkpoint``, may be damaged: it is not read.

    Args:
        trainer: The state to restore.
        folder: The run's folder.
        first: Whether this worker writes the folder.
        progress: Where a line says that a checkpoint was passed over.

    Raises:
        AffectlineError: There are checkpoints, and none can be read.
    """
    checkpoint = tf.train.Checkpoint(state=trainer.state())
    home = folder / CHECKPOINTS
    restore_newest(checkpoint, list_checkpoints(home), progress)
    if first:
        (home / "checkpoint").unlink(missing_ok=True)  # the manager would read it
    # All workers must save at the same time, each to a different place.
    with tempfile.TemporaryDirectory() as aside:
        place = home if first else Path(aside)
        manager = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=None)

        def save() -> None:
            done = int(trainer.epoch.numpy())
            try:
                manager.save(checkpoint_number=done)
                for old in list_checkpoints(place)[:-KEPT]:
                    for file in place.glob(f"{Path(old).name}.*"):
                        file.unlink()
            except (tf.errors.OpError, OSError) as error:
                raise AffectlineError(
                    f"cannot write the checkpoint of epoch {done} to {home} ({first_line(error)})",
                    "make room and resume from the previous epoch with --resume",
                ) from error

        yield save


def list_checkpoints(home: Path) -> list[str]:
    """The checkpoints in a folder, without their suffix, from the oldest to the newest."""
    numbers = (file.stem.removeprefix("ckpt-") for file in home.glob("ckpt-*.index"))
    return [
        str(home / f"ckpt-{number}") for number in sorted(map(int, filter(str.isdigit, numbers)))
    ]


def restore_newest(checkpoint: Any, found: list[str], progress: Progress) -> None:
    """Restore the newest checkpoint that can be read, and say which ones cannot.

    Args:
        checkpoint: What to restore.
        found: The checkpoints, from the oldest to the newest.
        progress: Where a line is shown for each one that cannot be read.

    Raises:
        AffectlineError: There are some, and none can be read.
    """
    for at, path in reversed(list(enumerate(found))):
        try:
            checkpoint.restore(path).assert_consumed()
        except Exception as error:  # damaged files have raised four different kinds
            problem = f"the checkpoint {path} cannot be read ({first_line(error)})"
            if not at:
                raise AffectlineError(
                    problem + (" nor can those after it" if len(found) > 1 else ""),
                    "restore the folder from a copy, or start the run again in a new folder",
                ) from error
            progress.console.print(
                f"affectline-train: warning: {problem}: going on from the one before",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
        else:
            return


def train(
    trainer: Trainer,
    faces: LabelledFaces,
    folder: Path | None,
    save: Any,
    progress: Progress,
) -> None:
    """Train the remaining epochs, with a log line and a checkpoint after each.

    Args:
        trainer: The state to go on from.
        faces: The data.
        folder: Where the history is written; ``None``: nowhere.
        save: Saves a checkpoint.
        progress: Where a bar is shown.
    """
    epochs, each = trainer.recipe.epochs, trainer.steps_per_epoch
    done = int(trainer.epoch.numpy())
    task = progress.add_task("Training", total=epochs * each, completed=done * each)
    watched = faces.select(Split.TRAINING), faces.select(Split.PUBLIC_TEST)
    if done >= epochs:
        progress.update(task, completed=epochs * each)
        return
    log = RunLog(folder, done) if folder else None
    while (epoch := int(trainer.epoch.numpy())) < epochs:
        start = time.perf_counter()
        loss, hits = run_epoch(trainer, progress, task)
        # The log line first: epochs after the last checkpoint are repeated and their lines dropped,
        # but an epoch with a checkpoint and without a line would never get one.
        if log:
            figures = evaluate_network(trainer.average, *watched)
            log.add(EpochLog(epoch + 1, loss, hits, *figures, time.perf_counter() - start))
            description = (
                f"Epoch {epoch + 1}, {figures[0]:.1%} training, {figures[1]:.1%} public test"
            )
            progress.update(task, description=description)
        save()


def run_epoch(trainer: Trainer, progress: Progress, task: TaskID) -> tuple[float, float]:
    """Train for an epoch under a bar; returns its mean loss and accuracy."""
    steps = []
    for step in trainer.run_epoch():
        steps.append(step)
        progress.advance(task)
    loss, hits = np.mean(steps, axis=0)
    return float(loss), float(hits)


def evaluate_network(
    network: Network, training: LabelledFaces, public: LabelledFaces
) -> tuple[float, float, float]:
    """Accuracy on some training faces, accuracy and log loss on the public test rows."""
    some = slice(None, None, max(1, len(training) // SCORED_TRAINING_FACES))
    known, _ = network.score(training.pixels[some])
    unseen, _ = network.score(public.pixels)
    right = accuracy(unseen, public.emotions)
    return accuracy(known, training.emotions[some]), right, log_loss(unseen, public.emotions)


class RunLog:
    """``history.csv`` and TensorBoard's events, without the epochs that will be repeated."""

    def __init__(self, folder: Path, done: int) -> None:
        self._file = folder / HISTORY
        names = [field.name for field in fields(EpochLog)]
        with self._written():
            rows = [line.split(",") for line in self._lines()[1:]]
            # A full disk may have truncated the last line.
            kept = [row for row in rows if len(row) == len(names) and int(row[0]) <= done]
            lines = "".join(",".join(row) + "\n" for row in (names, *kept))
            atomic_file.write_text(self._file, lines)
            self._events = tf.summary.create_file_writer(str(folder / TENSORBOARD))

    def add(self, entry: EpochLog) -> None:
        """Write the line of an epoch."""
        with self._written():
            with self._file.open("a", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(f"{value:.6g}" for value in astuple(entry))
            with self._events.as_default(step=entry.epoch):
                for name, value in asdict(entry).items():
                    if name != "epoch":
                        tf.summary.scalar(name, value)
            self._events.flush()

    def _lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            raise AffectlineError(
                f"cannot write the log {self._file} ({first_line(error)})",
                "make room and resume from the last complete epoch with --resume",
            ) from error


def choose_start_share(trainer: Trainer, public: LabelledFaces) -> tuple[float, Network]:
    """Choose the share of the start to keep, by log loss on the public rows; with its network."""
    networks = {share: trainer.blend_with_start(share) for share in START_SHARES}

    def loss(share: float) -> float:
        return log_loss(networks[share].score(public.pixels)[0], public.emotions)

    best = min(START_SHARES, key=loss)
    return best, networks[best]


def choose_votes_weight(network: Network, public: LabelledFaces) -> float:
    """Weight of the votes' layer with the best accuracy on the public rows; the largest of ties."""
    labels, votes = network.score(public.pixels)
    return max(
        BLENDS,
        key=lambda share: (accuracy(blend_logits(labels, votes, share), public.emotions), share),
    )


def blend_logits(
    labels: NDArray[np.float32], votes: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Weighted mean of the logits of both last layers, ``(N, 7)``."""
    return labels * np.float32(1 - share) + votes * np.float32(share)
