"""A second output layer for a finished model, fitted to FER+'s votes."""

from typing import Any, Final

import keras
import numpy as np
from rich.progress import Progress

from affectline.common.labels import LABELS
from affectline.common.model.artifact import Artifact
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.fit.label_smoothing import fit_logistic_regression
from affectline.training.fit.trained_run import TrainedRun
from affectline.training.model.features import run_model
from affectline.training.model.network import assemble_served_model, build_two_label_set_model
from affectline.training.model.paper_network import HIDDEN
from affectline.training.model.warm_start import read_weights

ABOUT: Final = (
    "second label set: logistic regression on the shares of FER+'s votes, over the last 64 units "
    "of the finished model; the predictions of FER2013's labels were not changed"
)


def fit_votes_head(artifact: Artifact, faces: LabelledFaces, progress: Progress) -> TrainedRun:
    """Fit a layer to FER+'s votes on a model's last units, and add it to the model.

    Predictions of FER2013's labels stay the same, up to the rounding of one more export.

    Args:
        artifact: A model of the strong recipe, with or without such a layer.
        faces: The data that it was trained on, with votes.
        progress: Where a bar is shown.

    Returns:
        The run to export.

    Raises:
        AffectlineError: The model has no int8 file, is another network, or was trained on other
            data; or no training row has votes.
    """
    record = dict(artifact.manifest.training)
    # The votes may be others than those it was trained on: their layer is fitted again.
    faces.without_votes().require_same(record, f"model {artifact.folder}")
    faces.require_votes()
    layers = read_weights(artifact)
    kernel, bias = (part[..., : len(LABELS)] for part in layers["logits"])
    model = assemble_served_model(
        artifact.manifest.input_height, {**layers, "logits": (kernel, bias)}
    )
    units = run_model(
        _truncate_at(model, f"dense{len(HIDDEN) - 1}"), faces.pixels, progress, "Units"
    )
    learnt = faces.rows(Split.TRAINING) & faces.votes.any(axis=1)
    features = np.concatenate([units, np.ones((len(units), 1))], axis=1).astype(np.float64)
    fitted = fit_logistic_regression(
        features[learnt], faces.votes[learnt].astype(np.float64)
    ).astype(np.float32)
    last = {
        "labels_kernel": kernel,
        "labels_bias": bias,
        "votes_kernel": fitted[:-1],
        "votes_bias": fitted[-1],
    }
    both = build_two_label_set_model(model, last, 0.0)
    last_kernel, last_bias = both.get_layer("logits").get_weights()
    record.pop("export", None)
    record["data"] = {**record["data"], "votes": True, "votes_sha256": faces.votes_sha256}
    return TrainedRun(both, units @ last_kernel + last_bias, {**record, "second_answer": ABOUT})


def _truncate_at(model: Any, name: str) -> Any:
    """The same model, ending in the layer of this name."""
    return keras.Model(model.inputs[0], model.get_layer(name).output)
