"""FER2013's CSV file as arrays: 48x48 grayscale faces, seven emotions, three splits."""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import AffectlineError
from common.images import FER_SIZE
from common.labels import LABELS
from training.splits import Split

PIXELS: Final = FER_SIZE * FER_SIZE
COLUMNS: Final = ("emotion", "pixels", "Usage")
USAGES: Final = ("Training", "PublicTest", "PrivateTest")
CHUNK: Final = 4096
"""Rows parsed at once: bounds the memory that the 64-bit numbers take."""


@dataclass(frozen=True)
class Faces:
    """Rows of FER2013."""

    pixels: NDArray[np.uint8]
    """``(N, 48, 48) uint8`` grayscale."""
    emotions: NDArray[np.int64]
    """``(N,)``, 0 to 6, indices into ``LABELS``."""
    usages: NDArray[np.str_]
    """``(N,)``, each one of ``USAGES``."""

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def targets(self) -> NDArray[np.float32]:
        """One-hot emotions, ``(N, 7) float32``."""
        return np.eye(len(LABELS), dtype=np.float32)[self.emotions]

    @property
    def sha256(self) -> str:
        """Fingerprint of everything here, the same however the file was compressed."""
        digest = hashlib.sha256(self.pixels.tobytes())
        digest.update(self.emotions.astype("<i8").tobytes())
        digest.update("\n".join(self.usages).encode())
        return digest.hexdigest()

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
                    f"the data has no {split} rows", "use a file with all of FER2013's splits"
                )

    def only(self, split: Split) -> "Faces":
        """The rows of a split, in file order.

        Raises:
            AffectlineError: There are none.
        """
        self.require(split)
        chosen = self.rows(split)
        return Faces(self.pixels[chosen], self.emotions[chosen], self.usages[chosen])


def load(path: Path, rows: int | None = None) -> Faces:
    """Read FER2013, compressed or not, or its first rows.

    Raises:
        AffectlineError: The file cannot be read or a row is not FER2013's; the message names the
            first such row, counted from 1 below the header.
    """
    return parse(read_frame(path, rows))


def read_frame(path: Path, rows: int | None = None) -> pd.DataFrame:
    """Read the CSV file as text, one string column each for ``COLUMNS``."""
    remedy = "name FER2013's fer2013.csv, as it is or compressed"
    try:
        frame = pd.read_csv(path, dtype=str, nrows=rows, keep_default_na=False)
    except OSError as error:
        raise AffectlineError(
            f"cannot read --data {path} ({error.strerror or error})", remedy
        ) from error
    except (ValueError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        # pandas' own parser errors are ValueErrors, and so is text that is not UTF-8.
        raise AffectlineError(f"--data {path} is not a CSV file ({error})", remedy) from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise AffectlineError(
            f"--data {path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}",
            f"FER2013 has the columns {', '.join(COLUMNS)}",
        )
    if frame.empty:
        raise AffectlineError(f"--data {path} has a header but no rows", remedy)
    return frame


def parse(frame: pd.DataFrame) -> Faces:
    """Turn the text columns of a frame into arrays."""
    texts = frame["pixels"].tolist()
    return Faces(
        pixels=_parse_pixels(texts),
        emotions=_parse_emotions(frame["emotion"].tolist()),
        usages=_parse_usages(frame["Usage"].tolist()),
    )


def _parse_pixels(texts: Sequence[str]) -> NDArray[np.uint8]:
    faces = np.empty((len(texts), PIXELS), dtype=np.uint8)
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        faces[start : start + CHUNK] = _parse_chunk(part, start)
    return faces.reshape(-1, FER_SIZE, FER_SIZE)


def _parse_chunk(texts: Sequence[str], start: int) -> NDArray[np.int64]:
    # One pass over the joined text is three times faster than a split for each row, but it
    # cannot tell where a row ends: whatever looks unusual is read again row by row.
    if any(text.count(" ") != PIXELS - 1 for text in texts):
        return _parse_carefully(texts, start)
    try:
        values = np.fromstring(" ".join(texts), dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        return _parse_carefully(texts, start)
    if values.size != len(texts) * PIXELS or values.min() < 0 or values.max() > 255:
        return _parse_carefully(texts, start)
    return values.reshape(-1, PIXELS)


def _parse_carefully(texts: Sequence[str], start: int) -> NDArray[np.int64]:
    remedy = f"a face is {PIXELS} whole numbers from 0 to 255, separated by spaces"
    parsed = np.empty((len(texts), PIXELS), dtype=np.int64)
    for index, text in enumerate(texts):
        row, words = start + index + 1, text.split()
        if len(words) != PIXELS:
            raise AffectlineError(f"row {row} has {len(words)} pixels, not {PIXELS}", remedy)
        for word in words:
            if not (word.isascii() and word.isdigit() and int(word) <= 255):
                raise AffectlineError(f"row {row} has the pixel value {word[:20]!r}", remedy)
        parsed[index] = [int(word) for word in words]
    return parsed


def _parse_emotions(texts: Sequence[str]) -> NDArray[np.int64]:
    known = {str(index): index for index in range(len(LABELS))}
    for row, text in enumerate(texts, start=1):
        if text.strip() not in known:
            raise AffectlineError(
                f"row {row} has the emotion {text[:20]!r}",
                f"emotions are whole numbers from 0 ({LABELS[0]}) to 6 ({LABELS[-1]})",
            )
    return np.array([known[text.strip()] for text in texts], dtype=np.int64)


def _parse_usages(texts: Sequence[str]) -> NDArray[np.str_]:
    for row, text in enumerate(texts, start=1):
        if text.strip() not in USAGES:
            raise AffectlineError(
                f"row {row} has the Usage {text[:20]!r}", f"Usage is one of {', '.join(USAGES)}"
            )
    return np.array([text.strip() for text in texts], dtype=np.str_)
