"""Takes for training elsewhere: a folder with a manifest, or one file like FER2013's."""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import cv2

from affectline.common import atomic_file
from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS, USAGES
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.services.collect import layout as files
from affectline.services.collect.collection import Collection
from affectline.services.collect.samples import Sample, iso

Form = Literal["folder", "fer2013"]
TENTH: Final = 10
BY_PERSON: Final = "by person: nobody is in two splits"
TWO: Final = (
    "by person: one of the two is in Training, the other one, take by take, in the two test splits"
)
ALONE: Final = (
    "by take, because there is but one person: figures on the test splits say how well a model "
    "knows this very person, and nothing about others"
)


class ExportResult(NamedTuple):
    """What was written."""

    place: Path
    takes: int
    division: str
    """How the takes were divided, in words."""


def export(collection: Collection, form: Form, *, only_kept: bool) -> ExportResult:
    """Write the takes below ``exports``.

    Args:
        collection: Where they are.
        form: ``folder``: PNG files at native size and ``manifest.csv``. ``fer2013``: ``faces.csv``.
        only_kept: Leave out those that nobody has looked at yet.

    Raises:
        AffectlineError: There are none, or there is no room.
    """
    takes = [take for take in collection.takes if take.status == "kept" or not only_kept]
    if not takes:
        raise AffectlineError(
            "there is nothing to export", "take some pictures, and keep them on the review wall"
        )
    usages, division = divide(takes)
    folder = files.below(collection.folder, files.EXPORTS)
    place = next(p for n in range(1, 10_000) if not (p := folder / _name(form, n)).exists())
    part = atomic_file.partial_path(place)
    try:
        part.mkdir(parents=True)
        # First, so that whoever deletes a person knows whose pictures these are
        atomic_file.create(part / "about.json", _about(form, takes, division))
        if form == "folder":
            _write_folder(collection, part, takes, usages)
        else:
            atomic_file.create(part / "faces.csv", fer2013(collection, takes, usages))
        atomic_file.rename(part, place)
    except OSError as error:
        atomic_file.remove_folder(part)
        raise files.cannot(f"{place} could not be written", error) from error
    return ExportResult(place, len(takes), division)


def divide(takes: Sequence[Sample]) -> tuple[list[str], str]:
    """A split for each take, and in words how they were found.

    A tenth of the people, but at least one, is in each of the test splits; who, a hash of their
    names decides, so that it is the same every time.
    """
    people = sorted({take.person for take in takes}, key=lambda p: sha256(p.encode()).digest())
    if len(people) >= len(USAGES):
        tested = max(1, round(len(people) / TENTH))
        split = {
            person: USAGES[min(2, 1 + number // tested)] if number < 2 * tested else USAGES[0]
            for number, person in enumerate(people)
        }
        return [split[take.person] for take in takes], BY_PERSON
    if len(people) == 2:
        counts = Counter(take.person for take in takes)
        learned = max(people, key=lambda person: counts[person])
        return _deal(takes, learned), TWO
    return _deal(takes, None), ALONE


def _deal(takes: Sequence[Sample], learned: str | None) -> list[str]:
    """Splits take by take, label by label; all of one person may go to Training."""
    dealt: Counter[str] = Counter()
    usages = []
    for take in takes:
        if take.person == learned:
            usages.append(USAGES[0])
            continue
        turn = dealt[take.label]
        dealt[take.label] += 1
        # Alone: the first to Training, so that each label is learned; then a test now and then
        order = USAGES[1:] if learned else (USAGES[0], USAGES[1], USAGES[2], USAGES[0], USAGES[0])
        usages.append(order[turn % len(order)])
    return usages


def fer2013(collection: Collection, takes: Iterable[Sample], usages: Iterable[str]) -> bytes:
    """Takes as FER2013's file has them: ``emotion,pixels,Usage``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("emotion", "pixels", "Usage"))
    for take, usage in zip(takes, usages, strict=True):
        path = collection.picture(take.file_48)
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None or picture.shape != (FER_SIZE, FER_SIZE):
            raise AffectlineError(f"{path} is not the picture that it was", "delete that take")
        pixels = " ".join(map(str, picture.ravel().tolist()))
        writer.writerow((LABELS.index(take.label), pixels, usage))
    return text.getvalue().encode()


def _write_folder(
    collection: Collection, part: Path, takes: Sequence[Sample], usages: Sequence[str]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "label", "person", "Usage"))
    for take, usage in zip(takes, usages, strict=True):
        name = f"{take.person}/{take.id}.png"
        (part / take.person).mkdir(exist_ok=True)
        atomic_file.create(part / name, collection.picture(take.file).read_bytes())
        writer.writerow((name, take.label, take.person, usage))
    atomic_file.create(part / files.MANIFEST, text.getvalue().encode())


def _about(form: Form, takes: Sequence[Sample], division: str) -> bytes:
    about: dict[str, Any] = {
        "form": form,
        "made_at": iso(now_ns()),
        "takes": len(takes),
        "people": sorted({take.person for take in takes}),
        "labels": dict(Counter(take.label for take in takes)),
        "division": division,
    }
    return json.dumps(about, indent=2).encode() + b"\n"


def _name(form: Form, number: int) -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{form}" + (f"-{number}" if number > 1 else "")
