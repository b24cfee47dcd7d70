"""A trained model on disk: a folder with ``manifest.json`` and the files that it describes."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer
from affectline.common.model.shipped_digests import DEFAULT_MODEL, shipped_digest
from affectline.common.vision.preprocessing import Preprocessing

MANIFEST: Final = "manifest.json"

ManifestT = TypeVar("ManifestT", bound=BaseModel)
Format = Literal["litert-int8", "litert-float32", "keras", "saved_model"]
LEAST: Final = 1e-9
"""Lower limit of a probability before taking its logarithm."""


class ModelFile(BaseModel):
    """One file (or, for a SavedModel, one folder) of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Relative to the artifact's folder."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def verify(folder: Path, entry: ModelFile, way_out: str) -> Path:
    """Check the SHA-256 of a file that a manifest describes, and return its path.

    Args:
        folder: The folder of the manifest.
        entry: The file's entry in the manifest.
        way_out: How to fix a missing or different file, for the error.

    Raises:
        AffectlineError: The file is missing, unreadable or not the one described.
    """
    path = folder / entry.path
    if not path.exists():
        raise AffectlineError(f"model file {path} is missing", way_out)
    try:
        found = checksum(path)
    except OSError as error:
        raise AffectlineError(
            f"model file {path} cannot be read ({error.strerror})", "change its permissions"
        ) from error
    if found != entry.sha256:
        raise AffectlineError(
            f"model file {path} has SHA-256 {found[:12]}…, its manifest says {entry.sha256[:12]}…",
            f"the file is damaged or was replaced; {way_out}",
        )
    require_shipped(path, found)
    return path


def require_shipped(path: Path, found: str) -> None:
    """Check that a file of a model shipped with Affectline is unchanged; others pass.

    Args:
        path: The file.
        found: Its SHA-256.

    Raises:
        AffectlineError: It differs from the shipped file.
    """
    pinned = shipped_digest(path)
    if pinned is not None and pinned != found:
        raise AffectlineError(
            f"{path} has SHA-256 {found[:12]}…, this version of Affectline ships {pinned[:12]}…",
            "reinstall Affectline; keep a model of your own in a separate folder",
        )


def read_manifest(
    folder: Path, kind: type[ManifestT], if_missing: str, if_invalid: str
) -> ManifestT:
    """Read the manifest of a folder.

    Args:
        folder: The folder of the manifest.
        kind: The model of the manifest.
        if_missing: How to fix a missing manifest, for the error.
        if_invalid: How to fix one that cannot be parsed, for the error.

    Raises:
        AffectlineError: The manifest is missing or cannot be parsed, or it belongs to a model
            shipped with Affectline and was changed.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        require_shipped(path, hashlib.sha256(content).hexdigest())
        return kind.model_validate_json(content)
    except OSError as error:
        raise AffectlineError(
            f"no model at {folder} ({error.strerror or error})", if_missing
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise AffectlineError(f"{path}: {where}: {first['msg']}", if_invalid) from error


class Manifest(BaseModel):
    """A model's inputs, outputs, accuracy and origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_version: Literal[1] = 1
    name: str
    labels: tuple[str, ...]
    """Meaning of each output, in order."""
    input_height: int = Field(ge=16, le=1024)
    input_width: int = Field(ge=16, le=1024)
    preprocessing: Preprocessing
    output: Literal["probabilities", "logits"]
    temperature: float = Field(default=1.0, gt=0)
    """Divides the logits before the softmax (Guo et al. 2017); 1 leaves them as they are."""
    offsets: (
        Annotated[tuple[float, ...], Field(min_length=len(LABELS), max_length=len(LABELS))] | None
    ) = None
    """If set, one for each label, added to the first seven logits before that division: with them,
    emotions are predicted as often as they occur."""
    votes_temperature: Annotated[float, Field(gt=0)] | None = None
    """If set, the output has seven more columns, for FER+'s votes, and this divides their
    logits."""
    files: Annotated[dict[Format, ModelFile], Field(min_length=1)]
    metrics: dict[str, Any] = {}
    """Accuracies and the like, 0 to 1, keyed by format and split."""
    training: dict[str, Any] = {}
    """Recipe, arguments, data and library versions."""


class Artifact:
    """An artifact's folder and manifest; files are verified before they are returned."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    def model_id_for(self, answer: Answer | None) -> str:
        """The model's identity in messages; it ends in ``+votes`` or ``+consensus`` for these.

        Raises:
            AffectlineError: The model was not trained for this answer.
        """
        chosen = self.choose_answer(answer)
        return self.model_id if chosen == "labels" else f"{self.model_id}+{chosen}"

    def choose_answer(self, asked: Answer | None) -> Answer:
        """The answer that was asked for; by default the consensus, if the model has it.

        Raises:
            AffectlineError: The model was not trained for the answer that was asked for.
        """
        has_votes = self.manifest.votes_temperature is not None
        if asked is None:
            return "consensus" if has_votes else "labels"
        if asked != "labels" and not has_votes:
            raise AffectlineError(
                f"--answer {asked}: model {self.folder} was trained without FER+'s votes",
                "train it with --votes and export it again, or use --answer labels",
            )
        return asked

    @property
    def model_id(self) -> str:
        """The name and the start of the served file's checksum, e.g. ``vgg16-48@1f3a9c02``."""
        formats: tuple[Format, ...] = ("litert-int8", "litert-float32", "keras", "saved_model")
        first = next(self.manifest.files[f] for f in formats if f in self.manifest.files)
        return f"{self.manifest.name}@{first.sha256[:8]}"

    def verified(self, kind: Format) -> Path:
        """Check the SHA-256 of one of the artifact's files, and return its path.

        Raises:
            AffectlineError: The artifact has no such file, or it is not the one described in the
                manifest.
        """
        entry = self.manifest.files.get(kind)
        if entry is None:
            have = ", ".join(sorted(self.manifest.files))
            raise AffectlineError(
                f"model {self.folder} has no {kind} file (it has {have})",
                "export it with affectline-train export",
            )
        return verify(self.folder, entry, "restore it or export it again")


def load(folder: Path = DEFAULT_MODEL) -> Artifact:
    """Read the manifest of an artifact.

    Raises:
        AffectlineError: The manifest is missing, invalid, of another kind of model, or has other
            labels than FER2013's.
    """
    try:
        manifest = read_manifest(
            folder,
            Manifest,
            f"name a folder that contains {MANIFEST}, such as one made by affectline-train export",
            "export the model again with this version",
        )
    except AffectlineError as error:
        if _lacks_labels(error.__cause__):
            raise AffectlineError(
                f"{folder} is not an emotion model: its {MANIFEST} has no labels",
                f"name a folder made by affectline-train export, such as {DEFAULT_MODEL}",
            ) from error
        raise
    if manifest.labels != LABELS:
        raise AffectlineError(
            f"{folder / MANIFEST}: labels {', '.join(manifest.labels)} are not {', '.join(LABELS)}",
            "use a model trained on the seven FER2013 emotions",
        )
    return Artifact(folder, manifest)


def _lacks_labels(error: BaseException | None) -> bool:
    return isinstance(error, ValidationError) and any(
        one["loc"] == ("labels",) and one["type"] == "missing" for one in error.errors()
    )


def to_probabilities(
    outputs: NDArray[Any],
    manifest: Manifest,
    answer: Answer = "labels",
    shift: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Convert a model's outputs to probabilities, as defined by its manifest.

    Args:
        outputs: ``(N, 7)`` model outputs, or ``(N, 14)`` from a model with two label sets.
        manifest: Defines whether they are logits or probabilities, and the temperatures.
        answer: Whose labels to predict, which the model must have been trained for.
        shift: Added to the logarithms of the probabilities, ``(7,)``: a person's calibration. None:
            the model's own result.

    Returns:
        ``(N, 7)``; rows sum to 1. Int8 probabilities, which do not quite, are normalized.
    """
    found = _answer(outputs, manifest, answer)
    if shift is None:
        return found
    shifted = found * np.exp(np.asarray(shift, np.float64))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _answer(outputs: NDArray[Any], manifest: Manifest, answer: Answer) -> NDArray[np.float64]:
    """The model's own probabilities ``(N, 7)``."""
    labels, votes = outputs[:, : len(LABELS)], outputs[:, len(LABELS) :]
    offsets = manifest.offsets
    if answer == "labels" or manifest.votes_temperature is None:
        return _normalise(labels, manifest.output, manifest.temperature, offsets)
    of_votes = _normalise(votes, manifest.output, manifest.votes_temperature)
    if answer == "votes":
        return of_votes
    return (_normalise(labels, manifest.output, manifest.temperature, offsets) + of_votes) / 2


def _normalise(
    outputs: NDArray[Any],
    kind: Literal["probabilities", "logits"],
    temperature: float,
    offsets: tuple[float, ...] | None = None,
) -> NDArray[np.float64]:
    """Probabilities ``(N, 7)`` of one set of outputs with its offsets and temperature."""
    logits = outputs.astype(np.float64)
    if kind == "probabilities":
        if temperature == 1.0 and offsets is None:
            return np.asarray(logits / logits.sum(axis=1, keepdims=True))
        logits = np.log(np.maximum(logits, LEAST))
    logits = (logits if offsets is None else logits + offsets) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative file names and contents in sorted order."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            if file != path:
                digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()
