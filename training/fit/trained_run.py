"""Reads a finished run from its folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError, first_line
from affectline.common.labels import LABELS
from affectline.training.data.faces import LabelledFaces
from affectline.training.model.features import run_model
from affectline.training.model.network import blend_last_layers, build_two_label_set_model
from affectline.training.model.paper_network import remove_softmax
from affectline.training.model.warm_start import LAYER, Weights
from affectline.training.run_folder import (
    LAST_LAYERS,
    LOGITS_FILE,
    MODEL_FILE,
    RUN_FILE,
    check_run_folder,
    check_votes_layer,
)


@dataclass(frozen=True)
class TrainedRun:
    """A finished run of ``fit``."""

    model: Any
    """The merged Keras model, which ends in its logits."""
    logits: NDArray[np.float32]
    """One row for each row of the data, ``(N, 7)``, or ``(N, 14)`` with two label sets."""
    record: dict[str, Any]


def load_run(folder: Path, faces: LabelledFaces) -> TrainedRun:
    """Read a run folder.

    Raises:
        AffectlineError: It is incomplete or damaged, or was trained on other data.
    """
    model, record = _open_run(folder)
    with _readable(folder):
        logits = np.load(folder / LOGITS_FILE)
    faces.require_same(record, f"the run {folder}")
    return TrainedRun(model, logits, record)


def read_run_weights(folder: Path) -> tuple[Weights, dict[str, Any]]:
    """Read the layers of a run of the strong recipe, as ``read_weights`` does, and its record.

    Raises:
        AffectlineError: It is incomplete or damaged, or of another recipe.
    """
    model, record = _open_run(folder)
    with _readable(folder):
        layers = {layer.name: layer.get_weights() for layer in model.layers}
        named = {name: layers[name] for name in sorted(layers) if LAYER.fullmatch(name)}
        return {name: (kernel, bias) for name, (kernel, bias) in named.items()}, record


def _open_run(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model of a run, which ends in its logits, and the run's record."""
    with _readable(folder):
        record = json.loads((folder / RUN_FILE).read_text())
        model = keras.models.load_model(folder / MODEL_FILE, compile=False)
        layers = folder / LAST_LAYERS
        if not layers.is_file():
            return remove_softmax(model), record
        votes = record["settings"]["votes_weight"]
        return build_two_label_set_model(model, np.load(layers), votes), record


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    check_run_folder(folder)
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AffectlineError(
            f"the run {folder} is damaged ({first_line(error)})",
            "train again with affectline-train fit",
        ) from error


def change_votes_weight(
    run: TrainedRun, folder: Path, votes: float, faces: LabelledFaces, progress: Progress
) -> TrainedRun:
    """Change the weight of the layer trained on FER+'s votes, in a run of the strong recipe.

    Raises:
        AffectlineError: The run has no such layer.
    """
    file = check_votes_layer(folder)
    kernel, bias = run.model.get_layer("logits").get_weights()
    for part, blended in zip((kernel, bias), blend_last_layers(np.load(file), votes), strict=True):
        part[..., : len(LABELS)] = blended
    run.model.get_layer("logits").set_weights([kernel, bias])
    logits = run_model(run.model, faces.pixels, progress, "Float model")
    settings = {**run.record["settings"], "votes_weight": votes}
    return TrainedRun(run.model, logits, {**run.record, "settings": settings})
