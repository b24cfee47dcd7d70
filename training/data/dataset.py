"""Labelled faces as arrays: FER2013's CSV file, or a folder of pictures."""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS, USAGES
from affectline.common.vision.preprocessing import FER_SIZE, to_square
from affectline.training.data.problems import DataProblem, Report, Tick, no_tick, records, refuse
from affectline.training.data.splits import Split

PIXELS: Final = FER_SIZE * FER_SIZE
COLUMNS: Final = ("emotion", "pixels", "Usage")
EMOTIONS: Final = {str(index): index for index in range(len(LABELS))}


@dataclass(frozen=True)
class LabelledFaces:
    """Labelled pictures of faces."""

    pixels: NDArray[np.uint8]
    """``(N, S, S) uint8`` grayscale; S is 48 for FER2013 as it is."""
    emotions: NDArray[np.int64]
    """``(N,)``, 0 to 6, indices into ``LABELS``."""
    usages: NDArray[np.str_]
    """``(N,)``, each one of ``USAGES``."""
    votes: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, len(LABELS)), dtype=np.float32)
    )
    """``(N, 7)``, shares of the FER+ votes for ``LABELS``; all zero in a row without votes."""
    sources: tuple[str, ...] = ()
    """``N`` names for people: "row 7", or a file below the folder."""

    def __post_init__(self) -> None:
        if not len(self.votes):
            none = np.zeros((len(self), len(LABELS)), dtype=np.float32)
            object.__setattr__(self, "votes", none)
        if not self.sources:
            rows = tuple(f"row {row}" for row in range(1, len(self) + 1))
            object.__setattr__(self, "sources", rows)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def targets(self) -> NDArray[np.float32]:
        """One-hot emotions, ``(N, 7) float32``."""
        return np.eye(len(LABELS), dtype=np.float32)[self.emotions]

    @property
    def sha256(self) -> str:
        """Fingerprint of pictures, labels and splits, the same however the file was compressed."""
        digest = hashlib.sha256(self.pixels.tobytes())
        digest.update(self.emotions.astype("<i8").tobytes())
        digest.update("\n".join(self.usages).encode())
        return digest.hexdigest()

    @property
    def votes_sha256(self) -> str:
        """Fingerprint of the votes, ``none`` without any."""
        if not self.votes.any():
            return "none"
        return hashlib.sha256(self.votes.astype("<f4").tobytes()).hexdigest()

    def rows(self, split: Split) -> NDArray[np.bool_]:
        """Mask of the rows of a split, ``(N,) bool``."""
        if split is Split.TEST:
            return np.asarray(self.usages != Split.TRAINING.value)
        return np.asarray(self.usages == split.value)

    def require(self, *splits: Split) -> None:
        """See that splits have rows.

        Raises:
            AffectlineError: One has none.
        """
        for split in splits:
            if not self.rows(split).any():
                raise AffectlineError(
                    f"the data has no {split} rows",
                    "use data with all splits, or name the splits in the column Usage",
                )

    def only(self, split: Split) -> "LabelledFaces":
        """The rows of a split, in file order.

        Raises:
            AffectlineError: There are none.
        """
        self.require(split)
        chosen = self.rows(split)
        return LabelledFaces(
            self.pixels[chosen],
            self.emotions[chosen],
            self.usages[chosen],
            self.votes[chosen],
            tuple(self.sources[row] for row in np.flatnonzero(chosen)),
        )


@dataclass(frozen=True)
class ParsedFaces:
    """What a file or a folder holds."""

    faces: LabelledFaces
    """The usable rows alone."""
    places: NDArray[np.int64]
    """``(N,)``, where these stand among all rows, from 0."""
    total: int
    """All rows, the unusable ones too."""
    sides: NDArray[np.int64]
    """``(N,)``, the longer side of each picture as it came, in pixels."""


def load(
    path: Path, rows: int | None = None, size: int = FER_SIZE, votes: Path | None = None
) -> LabelledFaces:
    """Read FER2013's CSV file, compressed or not, or a folder of pictures.

    Args:
        path: The file or folder.
        rows: How many rows to read; all when ``None``.
        size: Side in pixels to which pictures are scaled.
        votes: ``ferplus_votes.csv``, which belongs to FER2013's rows.

    Raises:
        AffectlineError: Something cannot be read or used; the message names the first such row.
    """
    from affectline.training.data import ferplus

    if votes is not None:
        ferplus.check_owner(path)
    reading = read(path, refuse(path), rows, size)
    if votes is None:
        return reading.faces
    return replace(reading.faces, votes=ferplus.beside(reading, votes, partly=rows is not None))


def read(
    path: Path,
    report: Report,
    rows: int | None = None,
    size: int = FER_SIZE,
    tick: Tick = no_tick,
) -> ParsedFaces:
    """Read what is usable, and report every problem as it is met.

    Args:
        path: A CSV file or a folder.
        report: Called for each problem; may raise to end the reading.
        rows: How many rows to read; all when ``None``.
        size: Side in pixels to which pictures are scaled.
        tick: Told the share that is done.
    """
    if path.is_dir():
        from affectline.training.data import image_folder as folder

        return folder.read(path, report, rows, size, tick)
    gathered = FaceCollector(size)
    for fields in islice(records(path, COLUMNS, report, tick), rows):
        gathered.total += 1
        if fields is None:
            continue
        emotion, text, usage = (fields[name] for name in COLUMNS)
        values, wrong = _parse_pixels(text)
        problems = [*_judge(emotion, usage), *wrong]
        for kind, what, remedy in problems:
            report(DataProblem(kind, what, remedy, row=gathered.total))
        if not problems:
            picture = values.astype(np.uint8).reshape(FER_SIZE, FER_SIZE)
            gathered.add(picture, EMOTIONS[emotion], usage, f"row {gathered.total}", FER_SIZE)
    return gathered.reading()


class FaceCollector:
    """Usable rows on their way into arrays."""

    def __init__(self, size: int) -> None:
        self.total = 0
        """Rows met so far; whoever meets one counts it."""
        self._size = size
        self._pixels: list[NDArray[np.uint8]] = []
        self._rest: list[tuple[int, str, str, int, int]] = []

    def add(
        self, square: NDArray[np.uint8], emotion: int, usage: str, source: str, side: int
    ) -> None:
        """Keep the row that was counted last.

        Args:
            square: ``(H, H) uint8`` grayscale of any size.
            emotion: Index into ``LABELS``.
            usage: One of ``USAGES``.
            source: Its name for people.
            side: The longer side of the picture as it came, in pixels.
        """
        self._pixels.append(to_square(square, self._size))
        self._rest.append((emotion, usage, source, side, self.total - 1))

    def reading(self) -> ParsedFaces:
        """All that was kept."""
        columns = zip(*self._rest, strict=True) if self._rest else ((),) * 5
        emotions, usages, sources, sides, places = columns
        faces = LabelledFaces(
            pixels=np.array(self._pixels, np.uint8).reshape(-1, self._size, self._size),
            emotions=np.array(emotions, np.int64),
            usages=np.array(usages, np.str_),
            sources=sources,
        )
        return ParsedFaces(faces, np.array(places, np.int64), self.total, np.array(sides, np.int64))


Wrong = tuple[str, str, str]
"""Kind, text and remedy of a problem."""


def _judge(emotion: str, usage: str) -> Iterator[Wrong]:
    if emotion not in EMOTIONS:
        remedy = f"emotions are whole numbers from 0 ({LABELS[0]}) to 6 ({LABELS[-1]})"
        yield "emotion", f"has the emotion {emotion[:20]!r}", remedy
    if usage not in USAGES:
        yield "usage", f"has the Usage {usage[:20]!r}", f"Usage is one of {', '.join(USAGES)}"


def _parse_pixels(text: str) -> tuple[NDArray[np.int64], list[Wrong]]:
    """Pixels ``(2304,)`` and nothing wrong, or the other way round."""
    remedy = f"a face is {PIXELS} whole numbers from 0 to 255, separated by spaces"
    try:
        # Older NumPy only warns of what follows the last number, and leaves it out.
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            values = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        values = np.empty(0, dtype=np.int64)
    if values.size == PIXELS and values.min() >= 0 and values.max() <= 255:
        return values, []
    words = text.split()
    if len(words) != PIXELS:
        return values, [("pixels", f"has {len(words)} pixels, not {PIXELS}", remedy)]
    odd = [word for word in words if not _is_pixel(word)]
    if odd:
        return values, [("value", f"has the pixel value {odd[0][:20]!r}", remedy)]
    return np.array([int(word) for word in words], dtype=np.int64), []


def _is_pixel(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 9 and int(word) <= 255
