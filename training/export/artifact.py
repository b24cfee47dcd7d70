"""Exports a run folder as the served artifact: a LiteRT int8 file and its manifest."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common import atomic_file
from affectline.common.labels import LABELS
from affectline.common.model.artifact import (
    MANIFEST,
    Artifact,
    Format,
    Manifest,
    ModelFile,
    checksum,
    to_probabilities,
)
from affectline.common.model.litert import LiteRtModel
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.near_duplicates import has_near_duplicates
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import (
    accuracy,
    accuracy_with_interval,
    calibration_error,
    fit_temperature,
    log_loss,
    report,
    softmax,
)
from affectline.training.evaluate.predictions import predict_faces
from affectline.training.export.convert import (
    SAMPLE,
    choose_samples,
    convert_to_float32,
    convert_to_int8,
)
from affectline.training.export.model_card import CARD_FILE, render_card
from affectline.training.export.offsets import fit_offsets
from affectline.training.fit.trained_run import TrainedRun
from affectline.training.run_folder import MODEL_FILE, SAVED_MODEL, check_artifact_folder

INT8_FILE: Final = "model.tflite"
FLOAT32_FILE: Final = "model-float32.tflite"

MajorityLabels = NDArray[np.int64] | None
"""Label that most FER+ voters chose for each row, or -1."""


class FittedProbabilities(NamedTuple):
    """How outputs become probabilities; fitted on the public test rows."""

    offsets: tuple[float, ...]
    """Added to the seven logits for FER2013's labels."""
    temperature: float
    votes_temperature: float | None
    """None without outputs for FER+'s votes."""


def fit_probabilities(
    outputs: NDArray[np.float32], faces: LabelledFaces, majority: MajorityLabels
) -> FittedProbabilities:
    """Fit offsets and temperatures by log loss on the public test rows.

    Args:
        outputs: Logits of the int8 file for every row of the data, ``(N, 7 or 14)``.
        faces: The data.
        majority: Majority of FER+'s votes for each row; without it, the votes' temperature is 1.
    """
    held_out = faces.rows(Split.PUBLIC_TEST)
    labels, votes = outputs[:, : len(LABELS)], outputs[:, len(LABELS) :]
    found = fit_offsets(labels[held_out], faces.emotions[held_out])
    offsets = tuple(round(float(value), 4) for value in found)
    shifted = labels[held_out] + np.asarray(offsets, np.float32)
    temperature = fit_temperature(shifted, faces.emotions[held_out])
    votes_temperature = 1.0 if votes.size else None
    if votes.size and majority is not None:
        known = held_out & (majority >= 0)
        votes_temperature = fit_temperature(votes[known], majority[known])
    return FittedProbabilities(offsets, temperature, votes_temperature)


def recalibrate(
    opened: Artifact,
    faces: LabelledFaces,
    out: Path,
    progress: Progress,
    majority: MajorityLabels = None,
) -> Manifest:
    """Write an artifact again, with the same int8 file, and everything around it fitted again.

    Offsets, temperatures, figures and the card are those that `export_artifact` would write now.

    Args:
        opened: The artifact.
        faces: The data it was trained on.
        out: The new artifact's folder; an existing artifact is replaced.
        progress: A bar for the evaluation.
        majority: Majority of FER+'s votes for each row, as a second reference.

    Raises:
        AffectlineError: The folder holds something that is not an artifact, the artifact has no
            int8 file or was trained on other data, or the data lacks the training or the public
            test rows.
    """
    check_artifact_folder(out)
    faces.require_same(opened.manifest.training, f"model {opened.folder}")
    faces.require(Split.TRAINING, Split.PUBLIC_TEST)
    path, preprocessing = opened.verified("litert-int8"), opened.manifest.preprocessing
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file.replace_folder(out) as folder:
        (folder / INT8_FILE).write_bytes(path.read_bytes())
        model = LiteRtModel(folder / INT8_FILE, preprocessing)
        logits = predict_faces(model, faces.pixels, progress)
        fitted = fit_probabilities(logits, faces, majority)
        if majority is None:  # nothing to fit it on: what was fitted before still holds
            fitted = fitted._replace(votes_temperature=opened.manifest.votes_temperature)
        entry = ModelFile(path=INT8_FILE, sha256=checksum(folder / INT8_FILE))
        changed = {
            **fitted._asdict(),
            "files": {"litert-int8": entry},
            "metrics": {"litert-int8": measure_splits(logits, faces, fitted, majority)},
        }
        manifest = opened.manifest.model_copy(update=changed)
        write_description(folder, manifest, model, logits, faces, progress)
    return manifest


def measure_splits(
    outputs: NDArray[np.float32],
    faces: LabelledFaces,
    fitted: "FittedProbabilities",
    majority: MajorityLabels = None,
) -> dict[str, dict[str, float]]:
    """Metrics of each split that has rows.

    Those named ``raw`` are at temperature 1, but with offsets. Those named ``ferplus`` are measured
    against FER+'s majority, and so are those named ``votes``, which are for that answer; the latter
    are left out of a split of which no row has a majority.
    """
    figures = {}
    temperature, votes_temperature = fitted.temperature, fitted.votes_temperature
    logits = outputs[:, : len(LABELS)] + np.asarray(fitted.offsets, np.float32)
    second = outputs[:, len(LABELS) :]
    for split in Split:
        rows = faces.rows(split)
        if not rows.any():
            continue
        part, emotions = logits[rows], faces.emotions[rows]
        figures[split.value] = {
            "accuracy": accuracy(part, emotions),
            "calibration_error": calibration_error(softmax(part, temperature), emotions),
            "calibration_error_raw": calibration_error(softmax(part), emotions),
            "log_loss": log_loss(part, emotions, temperature),
            "log_loss_raw": log_loss(part, emotions),
            "rows": len(emotions),
        }
        if majority is not None:
            found = accuracy_with_interval(part, majority[rows])
            figures[split.value] |= {
                "ferplus_" + name: found[name] for name in ("rows", "accuracy")
            }
        if majority is not None and votes_temperature and (majority[rows] >= 0).any():
            known = rows & (majority >= 0)
            figures[split.value] |= {
                "votes_labels_accuracy": accuracy(second[rows], emotions),
                "votes_accuracy": accuracy(second[known], majority[known]),
                "votes_calibration_error": calibration_error(
                    softmax(second[known], votes_temperature), majority[known]
                ),
            }
            both = softmax(logits, temperature) + softmax(second, votes_temperature)
            figures[split.value] |= {
                "consensus_accuracy": accuracy(both[rows], faces.emotions[rows]),
                "consensus_ferplus_accuracy": accuracy(both[known], majority[known]),
                "consensus_ferplus_calibration_error": calibration_error(
                    both[known] / 2, majority[known]
                ),
            }
    return figures


def write_description(
    folder: Path,
    manifest: Manifest,
    model: LiteRtModel,
    logits: NDArray[np.float32],
    faces: LabelledFaces,
    progress: Progress,
) -> None:
    """Write the card and the manifest of an artifact, with `add_test_figures`."""
    add_test_figures(manifest, model, logits, faces, progress)
    (folder / CARD_FILE).write_text(render_card(manifest, logits, faces))
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")


def add_test_figures(
    manifest: Manifest,
    model: LiteRtModel,
    logits: NDArray[np.float32],
    faces: LabelledFaces,
    progress: Progress,
) -> None:
    """Add further figures of the test rows to the metrics of the int8 file.

    F1 by emotion, accuracy on faces without a near duplicate among the training rows, and accuracy
    of the mean of a face's and its mirror image's distributions.

    Args:
        manifest: The manifest, whose metrics are added to.
        model: The int8 file.
        logits: Its outputs for every row of the data, ``(N, 7 or 14)``.
        faces: The data.
        progress: Where a bar is shown.
    """
    known = faces.pixels[faces.rows(Split.TRAINING)]
    for split in (Split.PUBLIC_TEST, Split.PRIVATE_TEST):
        rows = faces.rows(split)
        if not rows.any():
            continue
        pixels, emotions = faces.pixels[rows], faces.emotions[rows]
        one = to_probabilities(logits[rows], manifest)
        mirrored = predict_faces(model, pixels[:, :, ::-1], progress)
        alone = ~has_near_duplicates(pixels, known)
        found = report(one, emotions)
        manifest.metrics["litert-int8"][split.value] |= {
            "macro_f1": found["macro_f1"],
            "f1": {label: figures["f1"] for label, figures in found["emotions"].items()},
            "without_twins_rows": int(alone.sum()),
            "without_twins_accuracy": accuracy_with_interval(one[alone], emotions[alone])[
                "accuracy"
            ],
            "mirror_accuracy": accuracy(one + to_probabilities(mirrored, manifest), emotions),
        }


def export_artifact(
    run: TrainedRun,
    faces: LabelledFaces,
    out: Path,
    name: str,
    with_reference: bool,
    progress: Progress,
    majority: MajorityLabels = None,
) -> Manifest:
    """Write an artifact to a folder, completely or not at all.

    Args:
        run: A finished run.
        faces: The data it was trained on.
        out: The artifact's folder; an existing artifact is replaced.
        name: The artifact's name.
        with_reference: Whether to include the float model as LiteRT, Keras file and SavedModel.
        progress: A bar for the evaluation of the int8 file.
        majority: Majority of FER+'s votes for each row, as a second reference.

    Raises:
        AffectlineError: The folder holds something that is not an artifact, or the data lacks
            the training or the public test rows.
    """
    check_artifact_folder(out)
    faces.require(Split.TRAINING, Split.PUBLIC_TEST)
    settings = run.record["settings"]
    preprocessing = settings.get("preprocessing", "vgg16")
    samples = choose_samples(faces, settings["seed"])
    content = convert_to_int8(run.model, samples, preprocessing)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file.replace_folder(out) as folder:
        files = write_models(run.model, content, folder, with_reference)
        int8_model = LiteRtModel(folder / INT8_FILE, preprocessing)
        int8_logits = predict_faces(int8_model, faces.pixels, progress)
        manifest = build_manifest(run, faces, int8_logits, name, files, majority)
        write_description(folder, manifest, int8_model, int8_logits, faces, progress)
    return manifest


def write_models(
    logits_model: Any, int8: bytes, folder: Path, with_reference: bool
) -> dict[Format, ModelFile]:
    """Write the model files of an artifact; the float ones only ``with_reference``."""
    names: dict[Format, str] = {"litert-int8": INT8_FILE}
    (folder / INT8_FILE).write_bytes(int8)
    if with_reference:
        # Without their softmax, too: `output` in the manifest applies to every file.
        names |= {"litert-float32": FLOAT32_FILE, "keras": MODEL_FILE, "saved_model": SAVED_MODEL}
        (folder / FLOAT32_FILE).write_bytes(convert_to_float32(logits_model))
        logits_model.save(folder / MODEL_FILE)
        logits_model.export(folder / SAVED_MODEL, format="tf_saved_model", verbose=False)
    return {
        kind: ModelFile(path=name, sha256=checksum(folder / name)) for kind, name in names.items()
    }


def build_manifest(
    run: TrainedRun,
    faces: LabelledFaces,
    int8_logits: NDArray[np.float32],
    name: str,
    files: dict[Format, ModelFile],
    majority: MajorityLabels,
) -> Manifest:
    """The manifest; its temperatures are fitted without the private test rows."""
    fitted = fit_probabilities(int8_logits, faces, majority)
    return Manifest(
        name=name,
        labels=LABELS,
        input_height=run.model.input_shape[1],
        input_width=run.model.input_shape[2],
        preprocessing=run.record["settings"].get("preprocessing", "vgg16"),
        output="logits",
        temperature=fitted.temperature,
        offsets=fitted.offsets,
        votes_temperature=fitted.votes_temperature,
        files=files,
        metrics={
            "litert-int8": measure_splits(int8_logits, faces, fitted, majority),
            "float32": measure_splits(run.logits, faces, fitted, majority),
        },
        training={
            **run.record,
            "export": {
                "quantization": "int8 after training, weights by channel",
                "representative_faces": min(SAMPLE, int(faces.rows(Split.TRAINING).sum())),
                "temperature_fitted_on": Split.PUBLIC_TEST.value,
                "versions": {
                    package: version(package) for package in ("tensorflow", "ai-edge-litert")
                },
            },
        },
    )
