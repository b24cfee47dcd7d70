"""Labelled faces as arrays, and the collector that readers fill."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.vision.preprocessing import to_square
from affectline.training.data.splits import Split


@dataclass(frozen=True)
class LabelledFaces:
    """Labelled pictures of faces."""

    pixels: NDArray[np.uint8]
    """``(N, S, S) uint8`` grayscale; S is 48 for FER2013 unscaled."""
    emotions: NDArray[np.int64]
    """``(N,)``, 0 to 6, indices into ``LABELS``."""
    usages: NDArray[np.str_]
    """``(N,)``, each one of ``USAGES``."""
    votes: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, len(LABELS)), dtype=np.float32)
    )
    """``(N, 7)``, shares of the FER+ votes for ``LABELS``; all zero in a row without votes."""
    sources: tuple[str, ...] = ()
    """``N`` readable names: "row 7", or a file's path below the folder."""
    people: tuple[str, ...] = ()
    """Who each face is of, as a manifest names them; an empty text if it does not."""
    from_folder: bool = False
    """Whether they come from a folder of pictures, not from a CSV file."""

    def __post_init__(self) -> None:
        if not len(self.votes):
            none = np.zeros((len(self), len(LABELS)), dtype=np.float32)
            object.__setattr__(self, "votes", none)
        if not self.sources:
            rows = tuple(f"row {row}" for row in range(1, len(self) + 1))
            object.__setattr__(self, "sources", rows)
        if not self.people:
            object.__setattr__(self, "people", ("",) * len(self))

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def targets(self) -> NDArray[np.float32]:
        """One-hot emotions, ``(N, 7) float32``."""
        return np.eye(len(LABELS), dtype=np.float32)[self.emotions]

    def require_same(self, record: Mapping[str, Any], what: str) -> None:
        """Check that a model was trained on these rows.

        Args:
            record: How it was made: the content of ``run.json``.
            what: The model, as a message calls it.

        Raises:
            AffectlineError: It was trained on other data, so that its test rows are not these; or
                on other votes than these faces have, if they have some.
        """
        known = record.get("data", {})
        if known.get("sha256") != self.sha256:
            raise AffectlineError(
                f"{what} was trained on other data than --data holds",
                "name the same file as for fit, so that training and test rows stay separate",
            )
        votes = known.get("votes_sha256", self.votes_sha256)
        if self.votes.any() and votes not in ("none", self.votes_sha256):
            raise AffectlineError(
                f"{what} was trained on other votes than --votes holds",
                "name the same file of votes as for fit",
            )

    @property
    def sha256(self) -> str:
        """Digest of pictures, labels and splits, independent of the file's compression."""
        digest = hashlib.sha256(self.pixels.tobytes())
        digest.update(self.emotions.astype("<i8").tobytes())
        digest.update("\n".join(self.usages).encode())
        return digest.hexdigest()

    @property
    def votes_sha256(self) -> str:
        """Digest of the votes, or ``none``."""
        if not self.votes.any():
            return "none"
        return hashlib.sha256(self.votes.astype("<f4").tobytes()).hexdigest()

    def rows(self, split: Split) -> NDArray[np.bool_]:
        """Mask of the rows of a split, ``(N,) bool``."""
        if split is Split.TEST:
            return np.asarray(self.usages != Split.TRAINING.value)
        return np.asarray(self.usages == split.value)

    def require(self, *splits: Split) -> None:
        """Check that splits have rows.

        Raises:
            AffectlineError: A split has none.
        """
        for split in splits:
            if not self.rows(split).any():
                raise AffectlineError(
                    f"the data has no {split} rows",
                    "use data with all splits, or name the splits in the column Usage",
                )

    def require_votes(self) -> None:
        """Check that training rows have votes.

        Raises:
            AffectlineError: None has.
        """
        if not self.votes[self.rows(Split.TRAINING)].any():
            raise AffectlineError(
                f"no {Split.TRAINING} row has usable votes in --votes",
                "name votes for the training rows, or leave --votes out",
            )

    def without_votes(self) -> "LabelledFaces":
        """The same faces without their votes."""
        return replace(self, votes=np.zeros_like(self.votes))

    def select(self, split: Split) -> "LabelledFaces":
        """The rows of a split, in file order.

        Raises:
            AffectlineError: The split has none.
        """
        self.require(split)
        chosen = self.rows(split)
        return LabelledFaces(
            self.pixels[chosen],
            self.emotions[chosen],
            self.usages[chosen],
            self.votes[chosen],
            tuple(self.sources[row] for row in np.flatnonzero(chosen)),
            tuple(self.people[row] for row in np.flatnonzero(chosen)),
            self.from_folder,
        )


@dataclass(frozen=True)
class ParsedFaces:
    """The content of a file or a folder."""

    faces: LabelledFaces
    """Only the usable rows."""
    indices: NDArray[np.int64]
    """``(N,)``, their indices among all rows, from 0."""
    total: int
    """Number of all rows, including unusable ones."""
    sides: NDArray[np.int64]
    """``(N,)``, the longer side of each original picture, in pixels."""
    split_by: NDArray[np.str_]
    """``(N,)``, what decided each split: one of ``SPLIT_BY``."""


class FaceCollector:
    """Collects usable rows into arrays."""

    def __init__(self, size: int) -> None:
        self.total = 0
        """Rows read so far; the reader counts them."""
        self._size = size
        self._pixels: list[NDArray[np.uint8]] = []
        self._rest: list[tuple[int, str, str, int, str, int, str]] = []

    def add(
        self,
        square: NDArray[np.uint8],
        emotion: int,
        usage: str,
        source: str,
        side: int,
        split_by: str = "Usage",
        person: str = "",
    ) -> None:
        """Keep the row that was counted last.

        Args:
            square: ``(H, H) uint8`` grayscale of any size.
            emotion: Index into ``LABELS``.
            usage: One of ``USAGES``.
            source: Its readable name.
            side: The longer side of the original picture, in pixels.
            split_by: What decided ``usage``: one of ``SPLIT_BY``.
            person: Who it is, if known.
        """
        self._pixels.append(to_square(square, self._size))
        self._rest.append((emotion, usage, source, side, split_by, self.total - 1, person))

    def collect(self, from_folder: bool = False) -> ParsedFaces:
        """All rows that were added, as arrays; they come from a folder, or from a CSV file."""
        columns = zip(*self._rest, strict=True) if self._rest else ((),) * 7
        emotions, usages, sources, sides, split_by, indices, people = columns
        faces = LabelledFaces(
            pixels=np.array(self._pixels, np.uint8).reshape(-1, self._size, self._size),
            emotions=np.array(emotions, np.int64),
            usages=np.array(usages, np.str_),
            sources=sources,
            people=people,
            from_folder=from_folder,
        )
        return ParsedFaces(
            faces,
            np.array(indices, np.int64),
            self.total,
            np.array(sides, np.int64),
            np.array(split_by, np.str_),
        )
