"""Exports samples for training: a folder with a manifest, or one file like FER2013's."""

import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import cv2

from affectline.common import atomic_file, file_access
from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS, USAGES
from affectline.common.spreadsheet import row_writer
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.services.collect import layout
from affectline.services.collect.collection import Collection
from affectline.services.collect.samples import Sample, iso

ExportFormat = Literal["folder", "fer2013"]
TENTH: Final = 10
BY_PERSON: Final = "by person: nobody is in two splits"
TWO: Final = (
    "by person: one of the two is in Training, and the other's samples are in the two test splits"
)
ALONE: Final = (
    "by sample, because there is only one person: figures on the test splits show how well a model "
    "knows this person, and nothing about others"
)


class ExportResult(NamedTuple):
    """Result of an export."""

    folder: Path
    samples: int
    division: str
    """How the samples were divided into splits, in words."""


def export(collection: Collection, file_format: ExportFormat, *, only_kept: bool) -> ExportResult:
    """Write the samples below ``exports``.

    Args:
        collection: The samples.
        file_format: ``folder``: PNG files at native size and ``manifest.csv``; ``fer2013``:
            ``faces.csv``.
        only_kept: Leave out samples that have not been reviewed.

    Raises:
        AffectlineError: There are no samples, an image is damaged or missing, or the disk is full.
    """
    with collection.with_everybody():
        return _export(collection, file_format, only_kept=only_kept)


def _export(collection: Collection, file_format: ExportFormat, *, only_kept: bool) -> ExportResult:
    samples = [sample for sample in collection.samples if sample.status == "kept" or not only_kept]
    if not samples:
        raise AffectlineError(
            "there is nothing to export", "capture some pictures, and keep them in the review"
        )
    usages, division = divide(samples)
    exports = layout.path_below(collection.folder, layout.EXPORTS)
    folder = next(
        p for n in range(1, 10_000) if not (p := exports / _name(file_format, n)).exists()
    )
    part = atomic_file.partial_path(folder)
    try:
        file_access.make_folder(part, file_access.OWNER)
        # Written first, so that deleting a person finds the exports with their images
        atomic_file.create(part / "about.json", _about(file_format, samples, division))
        if file_format == "folder":
            _write_folder(collection, part, samples, usages)
        else:
            atomic_file.create(part / "faces.csv", fer2013(collection, samples, usages))
        atomic_file.rename(part, folder)
    except Exception as error:
        atomic_file.remove_folder(part)  # it has names and faces
        if isinstance(error, OSError):
            raise layout.disk_error(f"{folder} could not be written", error) from error
        raise
    return ExportResult(folder, len(samples), division)


def divide(samples: Sequence[Sample]) -> tuple[list[str], str]:
    """A split for each sample, and a description of how the splits were chosen.

    Each test split has a tenth of the people, but at least one. A hash of their names decides
    which, so that the splits are reproducible.
    """
    people = sorted(
        {sample.person for sample in samples}, key=lambda p: sha256(p.encode()).digest()
    )
    if len(people) >= len(USAGES):
        tested = max(1, round(len(people) / TENTH))
        split = {
            person: USAGES[min(2, 1 + number // tested)] if number < 2 * tested else USAGES[0]
            for number, person in enumerate(people)
        }
        return [split[sample.person] for sample in samples], BY_PERSON
    if len(people) == 2:
        counts = Counter(sample.person for sample in samples)
        training_person = max(people, key=lambda person: counts[person])
        return _split_by_sample(samples, training_person), TWO
    return _split_by_sample(samples, None), ALONE


def _split_by_sample(samples: Sequence[Sample], training_person: str | None) -> list[str]:
    """Split by sample within each label; all samples of one person may go to Training."""
    counts: Counter[str] = Counter()
    usages = []
    for sample in samples:
        if sample.person == training_person:
            usages.append(USAGES[0])
            continue
        position = counts[sample.label]
        counts[sample.label] += 1
        # A single person: the first sample goes to Training, so that every label is trained on
        order = (
            USAGES[1:]
            if training_person
            else (USAGES[0], USAGES[1], USAGES[2], USAGES[0], USAGES[0])
        )
        usages.append(order[position % len(order)])
    return usages


def fer2013(collection: Collection, samples: Iterable[Sample], usages: Iterable[str]) -> bytes:
    """Convert samples to the format of FER2013: ``emotion,pixels,Usage``."""
    text = io.StringIO(newline="")
    writer = row_writer(text)
    writer.writerow(("emotion", "pixels", "Usage"))
    for sample, usage in zip(samples, usages, strict=True):
        path = collection.picture(sample.file_48)
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None or picture.shape != (FER_SIZE, FER_SIZE):
            raise AffectlineError(f"{path} is damaged", "delete that sample")
        pixels = " ".join(map(str, picture.ravel().tolist()))
        writer.writerow((LABELS.index(sample.label), pixels, usage))
    return text.getvalue().encode()


def _write_folder(
    collection: Collection, part: Path, samples: Sequence[Sample], usages: Sequence[str]
) -> None:
    text = io.StringIO(newline="")
    writer = row_writer(text)
    writer.writerow(("file", "label", "person", "Usage"))
    for sample, usage in zip(samples, usages, strict=True):
        name = f"{sample.person}/{sample.id}.png"
        file_access.make_folder(part / sample.person, file_access.OWNER)
        atomic_file.create(part / name, _read(collection.picture(sample.file)))
        writer.writerow((name, sample.label, sample.person, usage))
    atomic_file.create(part / layout.MANIFEST, text.getvalue().encode())


def _read(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise AffectlineError(
            f"{picture} cannot be read ({reason})", "delete that sample"
        ) from error


def _about(file_format: ExportFormat, samples: Sequence[Sample], division: str) -> bytes:
    content: dict[str, Any] = {
        "form": file_format,
        "made_at": iso(now_ns()),
        "takes": len(samples),
        "people": sorted({sample.person for sample in samples}),
        "labels": dict(Counter(sample.label for sample in samples)),
        "division": division,
    }
    return json.dumps(content, indent=2).encode() + b"\n"


def _name(file_format: ExportFormat, number: int) -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{file_format}" + (f"-{number}" if number > 1 else "")
