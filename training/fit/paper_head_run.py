"""The paper's training: features from frozen VGG16, then a head trained on them."""

import csv
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.fit.hyperparameters import HeadSettings
from affectline.training.fit.paper_head_loop import BETAS, HeadLoop, compile_score, initial_state
from affectline.training.fit.run_record import name_weights, save_run
from affectline.training.model.features import extract_features, run_model
from affectline.training.model.paper_network import (
    build_backbone,
    build_head,
    merge_models,
    remove_softmax,
)
from affectline.training.run_folder import HISTORY

SAMPLE: Final = 1024
"""Rows on which the merged model is compared with its parts."""
TOLERANCE: Final = 0.01
"""Largest difference of logits attributed to rounding; the logits themselves reach hundreds."""


ABOUT: Final = {
    "recipe": "paper: VGG16 (ImageNet, frozen, average pooling), dense head, softmax",
    "loss": "categorical_crossentropy",
    "optimizer": {"name": "Adamax", "beta_1": BETAS[0], "beta_2": BETAS[1]},
}


@dataclass(frozen=True)
class HeadEpoch:
    """One line of ``history.csv``; the test columns are not used to choose anything."""

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
    settings: HeadSettings,
) -> Iterator[HeadEpoch]:
    """Train a head in place, one epoch for each step of the iterator.

    Args:
        head: Model from features to probabilities.
        train: Features ``(N, 512)`` and one-hot targets ``(N, 7)``.
        test: The same for the test rows, which are only scored.
        settings: Epochs, batch size, learning rate and the seed of the shuffling.
    """
    loop = HeadLoop(train, settings.batch_size, settings.learning_rate, settings.seed)
    score = compile_score(test)
    state = initial_state(head.get_weights())
    for epoch in range(1, settings.epochs + 1):
        start = time.perf_counter()
        state, train_scores = loop.run_epoch(state)
        test_scores = score(state.weights)
        head.set_weights(state.weights)
        seconds = time.perf_counter() - start
        yield HeadEpoch(
            epoch,
            train_scores.loss,
            train_scores.accuracy,
            test_scores.loss,
            test_scores.accuracy,
            seconds,
        )


def fit(
    faces: LabelledFaces,
    weights: Path | None,
    settings: HeadSettings,
    folder: Path,
    progress: Progress,
    cache: Path,
) -> dict[str, Any]:
    """Train, merge, evaluate and save; returns the content of ``run.json``.

    Args:
        faces: All rows of FER2013.
        weights: File of VGG16's ImageNet weights; ``None`` lets Keras download them.
        settings: The run's settings.
        folder: The run's folder, which exists already.
        progress: Where bars are shown.
        cache: Folder that caches features between runs.

    Raises:
        AffectlineError: The data lacks a split, or the weights do not fit.
    """
    faces.require(Split.TRAINING, Split.TEST)
    started = time.perf_counter()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    backbone = build_backbone(weights or "imagenet", faces.pixels.shape[1])
    features = extract_features(backbone, faces.pixels, progress, cache, settings.preprocessing)
    head = build_head(settings.hidden)
    masks = (faces.rows(Split.TRAINING), faces.rows(Split.TEST))
    train, test = ((features[mask], faces.targets[mask]) for mask in masks)
    epochs = train_head(head, train, test, settings)
    log_epochs(epochs, folder / HISTORY, settings.epochs, progress)
    model = merge_models(backbone, head)
    logits = head_logits(head, features)
    check_merged(model, faces.pixels, logits, progress, settings.preprocessing)
    final_settings = {**asdict(settings), "image_size": faces.pixels.shape[1]}
    about = {**ABOUT, "settings": final_settings}
    seconds = time.perf_counter() - started
    return save_run(folder, model, logits, faces, about, name_weights(weights), seconds)


def head_logits(head: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits ``(N, 7) float32`` of a head for features ``(N, 512)``."""
    return np.asarray(remove_softmax(head)(features, training=False), dtype=np.float32)


def check_merged(
    model: Any,
    pixels: NDArray[np.uint8],
    logits: NDArray[np.float32],
    progress: Progress,
    preprocessing: Preprocessing,
) -> None:
    """Check that the merged model's logits for pictures are the head's logits for their features.

    A thousand rows from all over the file are enough: only the wiring can differ.

    Raises:
        RuntimeError: They are not.
    """
    step = max(1, len(pixels) // SAMPLE)
    merged = run_model(
        remove_softmax(model), pixels[::step], progress, "Merged model", preprocessing
    )
    worst = float(np.abs(merged - logits[::step]).max())
    if worst > TOLERANCE:
        raise RuntimeError(f"the merged model's logits differ from the head's by {worst:.3g}")


def log_epochs(epochs: Iterator[HeadEpoch], file: Path, total: int, progress: Progress) -> None:
    """Run the training, and write a CSV line at the end of each epoch."""
    task = progress.add_task("Head", total=total)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HeadEpoch.__dataclass_fields__)
        for epoch in epochs:
            writer.writerow(f"{value:.6g}" for value in asdict(epoch).values())
            stream.flush()
            description = f"Head, {epoch.accuracy:.1%} train, {epoch.test_accuracy:.1%} test"
            progress.update(task, advance=1, description=description)
