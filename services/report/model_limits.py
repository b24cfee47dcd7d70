"""Describes the models that classified a session's faces: their accuracy and their limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from affectline.common.errors import AffectlineError
from affectline.common.model.answer import answer_of
from affectline.common.model.artifact import Artifact, load
from affectline.common.model.calibration import CALIBRATED
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.services.report.words import percent
from affectline.services.sessions.timeseries import SessionSeries

ACCURACY: Final = {
    "labels": "accuracy", "votes": "votes_accuracy", "consensus": "consensus_ferplus_accuracy",
}  # fmt: skip
"""For each answer, the metric of a manifest that says how often it is what it predicts."""
SPLIT: Final = "PrivateTest"
SHIFTED: Final = " before it was calibrated to one person"
LIMITS: Final = (
    "It knows seven expressions, and faces that look more or less into the camera. "
    "An expression is not a feeling."
)


def describe_models(session: SessionSeries, about: dict[str, Any]) -> Iterator[str]:
    """For each model that classified faces: its name, its accuracy and its limits.

    Example:
        ``Model vgg16-48@2c6b8f1b: correct on 71 % of the faces of FER2013's test set. It ...``
    """
    told = str(about.get("model") or "").split(", ")
    used = [name for summary in session.streams.values() for name in summary.models]
    for name in dict.fromkeys(filter(None, used or told)):
        accuracy = _accuracy_of(name, about)
        shifted = SHIFTED if name.endswith(CALIBRATED) else ""
        yield f"Model {name}: {accuracy}{shifted}. {LIMITS}"


def _accuracy_of(model_id: str, about: dict[str, Any]) -> str:
    """A model's accuracy, from its manifest."""
    artifact = _find_artifact(model_id.partition("+")[0], about)
    if artifact is None:
        return "its accuracy is unknown here"
    answer = answer_of(model_id)
    metrics = artifact.manifest.metrics
    splits = (metrics.get(kind) for kind in artifact.manifest.files)
    found: Any = next(
        (split[SPLIT] for split in splits if isinstance(split, dict) and SPLIT in split), {}
    )
    accuracy = found.get(ACCURACY[answer]) if isinstance(found, dict) else None
    if not isinstance(accuracy, int | float):
        return "its manifest does not state its accuracy"
    if answer == "labels":
        return f"correct on {percent(accuracy)} of the faces of FER2013's private test set"
    return f"agrees with most of FER+'s ten annotators on {percent(accuracy)} of FER2013's test set"


def _find_artifact(model_id: str, about: dict[str, Any]) -> Artifact | None:
    """The model with exactly this id: the bundled one, or the one that the session names."""
    folders = [DEFAULT_MODEL]
    settings = about.get("settings")
    classifier = settings.get("classifier") if isinstance(settings, dict) else None
    named = classifier.get("model") if isinstance(classifier, dict) else None
    if isinstance(named, str) and not named.startswith(("//", "\\\\")):  # skip network paths
        folders.append(Path(named))
    for folder in folders:
        try:
            artifact = load(folder)
        except (AffectlineError, OSError, ValueError):
            continue
        if artifact.model_id == model_id:
            return artifact
    return None
