"""The paper's training: features from frozen VGG16, then a head trained on them."""

import csv
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import Progress

from training.dataset import Faces
from training.evaluate import accuracy
from training.features import extract_features, run_model
from training.model import HIDDEN, build_backbone, build_head, cut_softmax, merge
from training.runs import HISTORY, LOGITS_FILE, MODEL_FILE, RUN_FILE, SAVED_MODEL
from training.splits import Split

SAMPLE: Final = 1024
"""Rows on which the merged model is compared with its parts."""
TOLERANCE: Final = 0.01
"""Largest difference of logits put down to rounding; the logits themselves reach hundreds."""
BETAS: Final = (0.9, 0.999)
"""Adamax's decay rates, as in the paper (and Kingma & Ba 2014)."""


@dataclass(frozen=True)
class Settings:
    """What may vary from run to run; the rest is the paper's."""

    epochs: int = 500
    batch_size: int = 128
    learning_rate: float = 0.002
    seed: int = 0
    hidden: tuple[int, ...] = HIDDEN


@dataclass(frozen=True)
class Epoch:
    """One line of ``history.csv``; the test columns are watched, nothing is chosen by them."""

    epoch: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


def train_head(
    head: Any,
    train: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
    settings: Settings,
) -> Iterator[Epoch]:
    """Train a head in place, an epoch for each step of the iterator.

    Args:
        head: Model from features to probabilities.
        train: Features ``(N, 512)`` and one-hot targets ``(N, 7)``.
        test: The same for the rows that are only watched.
        settings: Epochs, batch size, learning rate and the seed of the shuffling.
    """
    optimizer = keras.optimizers.Adamax(
        learning_rate=settings.learning_rate, beta_1=BETAS[0], beta_2=BETAS[1]
    )
    optimizer.build(head.trainable_variables)
    run_epoch = _compile_epoch(head, optimizer, train, settings.batch_size)
    score = _compile_score(head, test)
    shuffle = np.random.default_rng(settings.seed)
    for epoch in range(1, settings.epochs + 1):
        start = time.perf_counter()
        order = shuffle.permutation(len(train[0])).astype(np.int32)
        loss, hits = (float(figure) for figure in run_epoch(tf.constant(order)))
        test_loss, test_hits = (float(figure) for figure in score())
        seconds = time.perf_counter() - start
        yield Epoch(epoch, loss, hits, test_loss, test_hits, seconds)


def _compile_epoch(
    head: Any, optimizer: Any, data: tuple[NDArray[np.float32], NDArray[np.float32]], size: int
) -> Callable[[Any], Any]:
    # A batch is a few milliseconds of arithmetic, so the whole epoch runs inside one graph call
    # and Python dispatches once an epoch instead of once a batch.
    features, targets = (tf.constant(array) for array in data)
    variables = head.trainable_variables

    @tf.function  # type: ignore[untyped-decorator]
    def run_epoch(order: Any) -> Any:
        loss_sum = tf.constant(0.0)
        hits = tf.constant(0.0)
        for start in tf.range(0, tf.size(order), size):
            rows = order[start : start + size]
            wanted = tf.gather(targets, rows)
            with tf.GradientTape() as tape:
                given = head(tf.gather(features, rows), training=True)
                losses = keras.losses.categorical_crossentropy(wanted, given)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, variables), variables)
            loss_sum += tf.reduce_sum(losses)
            hits += tf.reduce_sum(keras.metrics.categorical_accuracy(wanted, given))
        rows_seen = tf.cast(tf.size(order), tf.float32)
        return loss_sum / rows_seen, hits / rows_seen

    return run_epoch  # type: ignore[no-any-return]


def _compile_score(
    head: Any, data: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> Callable[[], Any]:
    features, targets = (tf.constant(array) for array in data)

    @tf.function  # type: ignore[untyped-decorator]
    def score() -> Any:
        given = head(features, training=False)
        losses = keras.losses.categorical_crossentropy(targets, given)
        hits = keras.metrics.categorical_accuracy(targets, given)
        return tf.reduce_mean(losses), tf.reduce_mean(hits)

    return score  # type: ignore[no-any-return]


def fit(
    faces: Faces,
    weights: Path | None,
    settings: Settings,
    folder: Path,
    progress: Progress,
    cache: Path,
) -> dict[str, Any]:
    """Train, merge, evaluate, save, and return what ``run.json`` holds.

    Args:
        faces: All rows of FER2013.
        weights: File of VGG16's ImageNet weights; ``None`` lets Keras fetch them.
        settings: The run's arguments.
        folder: Where everything is written; claimed already.
        progress: Where bars are shown.
        cache: Where features are kept between runs.

    Raises:
        AffectlineError: The data lacks a split, or the weights do not fit.
    """
    faces.require(Split.TRAINING, Split.TEST)
    started = time.perf_counter()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    backbone = build_backbone(weights or "imagenet")
    features = extract_features(backbone, faces.pixels, progress, cache)
    head = build_head(settings.hidden)
    masks = (faces.rows(Split.TRAINING), faces.rows(Split.TEST))
    train, test = ((features[mask], faces.targets[mask]) for mask in masks)
    epochs = train_head(head, train, test, settings)
    log_epochs(epochs, folder / HISTORY, settings.epochs, progress)
    model = merge(backbone, head)
    logits = head_logits(head, features)
    check_merged(model, faces.pixels, logits, progress)
    save(model, logits, folder)
    run = describe(faces, weights, settings, logits, time.perf_counter() - started)
    (folder / RUN_FILE).write_text(json.dumps(run, indent=2) + "\n")
    return run


def head_logits(head: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits ``(N, 7) float32`` of a head for features ``(N, 512)``."""
    return np.asarray(cut_softmax(head)(features, training=False), dtype=np.float32)


def check_merged(
    model: Any, pixels: NDArray[np.uint8], logits: NDArray[np.float32], progress: Progress
) -> None:
    """See that the merged model, fed with pictures, says what the head says of their features.

    A thousand rows from all over the file are enough: the two differ only by the plumbing.

    Raises:
        RuntimeError: It does not.
    """
    step = max(1, len(pixels) // SAMPLE)
    merged = run_model(cut_softmax(model), pixels[::step], progress, "Merged model")
    worst = float(np.abs(merged - logits[::step]).max())
    if worst > TOLERANCE:
        raise RuntimeError(f"the merged model's logits differ from the head's by {worst:.3g}")


def log_epochs(epochs: Iterator[Epoch], file: Path, total: int, progress: Progress) -> None:
    """Drive the training, a line of CSV for each epoch as it ends."""
    task = progress.add_task("Head", total=total)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(Epoch.__dataclass_fields__)
        for epoch in epochs:
            writer.writerow(f"{value:.6g}" for value in asdict(epoch).values())
            stream.flush()
            now = f"Head, {epoch.accuracy:.1%} train, {epoch.test_accuracy:.1%} test"
            progress.update(task, advance=1, description=now)


def save(model: Any, logits: NDArray[np.float32], folder: Path) -> None:
    """Write the merged model in both of Keras' formats and its logits for every row."""
    model.save(folder / MODEL_FILE)
    model.export(folder / SAVED_MODEL, format="tf_saved_model", verbose=False)
    np.save(folder / LOGITS_FILE, logits)


def describe(
    faces: Faces,
    weights: Path | None,
    settings: Settings,
    logits: NDArray[np.float32],
    seconds: float,
) -> dict[str, Any]:
    """Everything that says how a run came to be; names of files, never their places."""
    splits = [split for split in Split if faces.rows(split).any()]
    return {
        "recipe": "VGG16 (ImageNet, frozen, average pooling), dense head, softmax",
        "loss": "categorical_crossentropy",
        "optimizer": {"name": "Adamax", "beta_1": BETAS[0], "beta_2": BETAS[1]},
        "settings": asdict(settings),
        "data": {
            "sha256": faces.sha256,
            "rows": {split.value: int(faces.rows(split).sum()) for split in splits},
        },
        "backbone_weights": weights.name if weights else "imagenet",
        "accuracy": {
            split.value: accuracy(logits[faces.rows(split)], faces.emotions[faces.rows(split)])
            for split in splits
        },
        "seconds": round(seconds, 1),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy", "pandas")},
        },
    }
