"""A person's faces with known expressions, from a session or from a collection."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model import artifact
from affectline.common.model.artifact import to_probabilities
from affectline.common.model.calibration import CALIBRATED, Material
from affectline.common.settings.pipeline import ClassifierSettings
from affectline.common.vision.preprocessing import FER_SIZE, to_square
from affectline.common.wire.messages import Emotion, Marker
from affectline.services.calibration.shift import FaceBlock, split_unseen
from affectline.services.calibration.stretches import (
    SetMarker,
    ShownExpression,
    check_apart,
    check_within,
    find_stretches,
)
from affectline.services.classifier.backends import open_model
from affectline.services.collect import layout
from affectline.services.collect.samples import Sample, read_table
from affectline.services.sessions.edits import read_edits
from affectline.services.sessions.recording import Recording, open_recording, session_folder

BLOCK_S: Final = 1.0
"""Minimum length of a block in s."""
MOST_BLOCKS: Final = 5
"""Maximum number of blocks of a stretch."""
LEAST_PROBABILITY: Final = 5e-7
"""Half of the last digit to which messages and tables round probabilities."""
AFTER_LAST_S: Final = 0.001
"""How long after the last frame a session ends, in s, so that the frame is in it."""
MOST_CROWDED: Final = 0.5
"""Maximum share of frames with several faces."""


@dataclass(frozen=True)
class PersonFaces:
    """Faces of one person with known expressions."""

    blocks: tuple[FaceBlock, ...]
    model: str
    """Id of the model that classified them, with its answer."""
    material: Material
    person: str | None = None
    """The participant, if known."""

    def without_unseen(self) -> tuple["PersonFaces", list[str]]:
        """The faces without those of expressions that the model hardly sees, and their names.

        Raises:
            AffectlineError: None are left.
        """
        blocks, unseen = split_unseen(self.blocks)
        names = [LABELS[label] for label in unseen]
        if not blocks:
            raise AffectlineError(
                f"{', '.join(names)}: hardly seen in these faces", "add a neutral face: --neutral"
            )
        return replace(self, blocks=tuple(blocks)), names

    def counts(self) -> dict[str, int]:
        """Number of faces by expression."""
        counted: Counter[int] = Counter()
        for block in self.blocks:
            counted[block.label] += len(block.log_probabilities)
        return {LABELS[label]: counted[label] for label in sorted(counted)}


class _Moment(NamedTuple):
    at_s: float
    distribution: tuple[float, ...]


@dataclass
class _StreamResults:
    """The results of one stream."""

    moments: list[_Moment] = field(default_factory=list)
    """Frames with one face."""
    models: dict[str, None] = field(default_factory=dict)
    crowded: int = 0
    """Frames with several faces."""
    end_s: float = 0.0

    def add(self, message: Emotion, at_s: float) -> None:
        self.end_s = max(self.end_s, at_s)
        self.crowded += len(message.faces) > 1
        alone = message.faces[0].frame_probabilities if len(message.faces) == 1 else None
        if alone is not None and message.model:
            self.models[message.model] = None
            self.moments.append(_Moment(at_s, alone))


def read_session_faces(
    path: Path,
    stretches: Sequence[ShownExpression],
    material: Material = "session",
    given: str | None = None,
    stream: str | None = None,
) -> PersonFaces:
    """The faces of a session in which a person showed known expressions.

    Args:
        path: The session folder, or a file in it.
        stretches: The stretches that the user has named; none: those that its markers and
            annotations name, or all of a film.
        material: What the session was made for.
        given: What the user has named, for errors; None: the path.
        stream: The stream that shows the person; None: the only one with faces.

    Raises:
        AffectlineError: The session cannot be read, does not have enough such faces, or has faces
            in several streams.
    """
    recording = open_recording(path)
    start = recording.session_start or 0
    streams: dict[str, _StreamResults] = {}
    markers: list[SetMarker] = []
    for packet in recording.read():
        message = packet.message
        if isinstance(message, Marker):
            markers.append(SetMarker((message.at - start) / 1e9, message.label))
        elif isinstance(message, Emotion):
            found = streams.setdefault(message.stream, _StreamResults())
            found.add(message, (message.captured_at - start) / 1e9)
    shown = _choose_stream(given or str(path), streams, stream)
    _check_faces(given or str(path), material, shown)
    end_s = shown.end_s + AFTER_LAST_S
    if material == "film" and not stretches:
        chosen = [ShownExpression("neutral", 0.0, end_s)]
    else:
        check_within(stretches, end_s, material)
        chosen = list(stretches) or find_stretches(
            markers, read_edits(session_folder(path)).annotations
        )
    if not chosen:
        raise AffectlineError(
            f"{path}: no marker or annotation names an expression",
            "say when the person showed which, such as --neutral 0..10 --happy 10..15",
        )
    check_apart(chosen)
    blocks = [block for stretch in chosen for block in _cut(stretch, shown.moments)]
    (model,) = shown.models
    return PersonFaces(tuple(blocks), model, material, _participant_of(recording))


def _choose_stream(
    given: str, streams: Mapping[str, _StreamResults], named: str | None
) -> _StreamResults:
    """Return the stream that shows the person: the named one, or the only one with faces."""
    with_faces = [name for name, found in streams.items() if found.moments or found.crowded]
    there = ", ".join(sorted(with_faces)) or "none"
    if named is not None and named not in streams:
        raise AffectlineError(f"--stream {named}: not in {given}", f"streams with faces: {there}")
    if named is None and len(with_faces) > 1:
        raise AffectlineError(
            f"{given}: faces in {len(with_faces)} streams, which may be of different people",
            f"name the person's with --stream: {there}",
        )
    chosen = named if named is not None else next(iter(with_faces), None)
    return streams[chosen] if chosen is not None else _StreamResults()


def _check_faces(given: str, material: Material, shown: _StreamResults) -> None:
    models, crowded, frames = list(shown.models), shown.crowded, shown.crowded + len(shown.moments)
    if crowded > MOST_CROWDED * frames:
        raise AffectlineError(
            f"{given}: {crowded} of {frames} frames show several faces",
            "calibrate with the person alone before the camera",
        )
    if not shown.moments:
        raise AffectlineError(
            f"{given}: no face was found",
            "more light, and look at the camera"
            if material == "camera"
            else f"use a {material} that shows the person's face from the front, in good light",
        )
    if len(models) > 1:
        raise AffectlineError(
            f"{given}: classified by several models ({', '.join(models)})", "analyse it again"
        )
    if models[0].endswith(CALIBRATED):
        raise AffectlineError(
            f"{given}: its results are calibrated already", "analyse it without --calibration"
        )


def _cut(stretch: ShownExpression, moments: Sequence[_Moment]) -> Iterator[FaceBlock]:
    """Cut a stretch into blocks of time of equal length.

    Raises:
        AffectlineError: It has faces in fewer than two of them.
    """
    length_s = stretch.end_s - stretch.begin_s
    count = int(min(max(length_s // BLOCK_S, 2), MOST_BLOCKS))
    inside = [one for one in moments if stretch.begin_s <= one.at_s < stretch.end_s]
    numbers = [int((one.at_s - stretch.begin_s) / length_s * count) for one in inside]
    found = [
        [one for one, its in zip(inside, numbers, strict=True) if its == number]
        for number in range(count)
    ]
    filled = [block for block in found if block]
    if len(filled) < 2:
        raise AffectlineError(
            f"{stretch.label} {stretch.begin_s:g}..{stretch.end_s:g}: only {len(inside)} frames "
            "have one face",
            "name a stretch in which the face is seen for two seconds at least",
        )
    for block in filled:
        yield FaceBlock(
            LABELS.index(stretch.label),
            np.log(np.maximum([one.distribution for one in block], LEAST_PROBABILITY)),
            np.array([one.at_s for one in block]),
        )


def _participant_of(recording: Recording) -> str | None:
    study: Any = recording.about.get("study")
    participant = study.get("participant") if isinstance(study, dict) else None
    return participant[:64] if isinstance(participant, str) and participant else None


def is_collection(folder: Path) -> bool:
    """Whether a folder was made by ``affectline collect``."""
    return (folder / layout.PEOPLE).is_dir() and (folder / layout.MANIFEST).is_file()


def read_collected_faces(
    folder: Path, person: str | None, settings: ClassifierSettings
) -> PersonFaces:
    """The faces that one person gave to a collection, classified now.

    Every picture is a block of its own.

    Args:
        folder: The collection.
        person: The person's name in it; None: its only person.
        settings: The model and its answer.

    Raises:
        AffectlineError: The person has too few faces, or a picture cannot be read.
    """
    try:
        data = (folder / layout.MANIFEST).read_bytes()
    except OSError as error:
        raise AffectlineError(
            f"{folder / layout.MANIFEST}: {error.strerror}", "change its permissions"
        ) from error
    samples = read_table(Sample, data, layout.MANIFEST)
    people = sorted({sample.person for sample in samples})
    if person is None and len(people) != 1:
        raise AffectlineError(
            f"{folder}: faces of {len(people)} people",
            f"name one with --participant: {', '.join(people[:10]) or 'there is none'}",
        )
    chosen = [one for one in samples if one.person == (people[0] if person is None else person)]
    _check_samples(folder, chosen, person, people)
    loaded = artifact.load(settings.model)
    answer = loaded.choose_answer(settings.answer)
    size = loaded.manifest.input_height
    files = [one.file_48 if size == FER_SIZE else one.file for one in chosen]
    pictures = np.stack([_read_picture(folder / file, size) for file in files])
    outputs = open_model(loaded, settings.backend).predict(pictures)
    distributions = to_probabilities(outputs, loaded.manifest, answer)
    logs = np.log(np.maximum(distributions, LEAST_PROBABILITY))
    blocks = tuple(
        FaceBlock(LABELS.index(one.label), row[np.newaxis], np.array([one.time_ns / 1e9]))
        for one, row in zip(chosen, logs, strict=True)
    )
    model_id = loaded.model_id_for(answer)
    return PersonFaces(blocks, model_id, "collection", chosen[0].person)


def _check_samples(
    folder: Path, chosen: Sequence[Sample], person: str | None, people: Sequence[str]
) -> None:
    if not chosen:
        raise AffectlineError(
            f"--participant {person}: has no faces in {folder}",
            f"name one of {', '.join(people[:10])}" if people else "collect some first",
        )
    lone = [label for label, n in Counter(one.label for one in chosen).items() if n < 2]
    if lone:
        raise AffectlineError(
            f"{folder}: only one face of {chosen[0].person} shows {', '.join(sorted(lone))}",
            "collect at least two of each expression",
        )


def _read_picture(path: Path, size: int) -> Any:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        raise AffectlineError(f"{path}: cannot be read", "restore it, or delete the sample")
    return to_square(np.asarray(picture, np.uint8), size)
