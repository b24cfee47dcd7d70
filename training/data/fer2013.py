"""FER2013's CSV file: a face of 48x48 pixels in each row."""

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS, USAGES
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training.data.csv_rows import read_rows
from affectline.training.data.faces import FaceCollector, ParsedFaces
from affectline.training.data.problems import DataProblem, ReportProblem, ReportProgress

PIXELS: Final = FER_SIZE * FER_SIZE
COLUMNS: Final = ("emotion", "pixels", "Usage")
EMOTIONS: Final = {str(index): index for index in range(len(LABELS))}

ProblemParts = tuple[str, str, str]
"""Kind, text and fix of a problem."""


def read(
    path: Path, report: ReportProblem, rows: int | None, size: int, progress: ReportProgress
) -> ParsedFaces:
    """Read FER2013's CSV file, compressed or not; see ``dataset.read`` for the arguments."""
    collector = FaceCollector(size)
    for fields in islice(read_rows(path, COLUMNS, report, progress), rows):
        collector.total += 1
        if fields is None:
            continue
        emotion, pixels, usage = (fields[name] for name in COLUMNS)
        values, pixel_problems = _parse_pixels(pixels)
        problems = [*_check_row(emotion, usage), *pixel_problems]
        for kind, text, fix in problems:
            report(DataProblem(kind, text, fix, row=collector.total))
        if not problems:
            picture = values.astype(np.uint8).reshape(FER_SIZE, FER_SIZE)
            collector.add(picture, EMOTIONS[emotion], usage, f"row {collector.total}", FER_SIZE)
    return collector.collect()


def _check_row(emotion: str, usage: str) -> Iterator[ProblemParts]:
    if emotion not in EMOTIONS:
        fix = f"emotions are whole numbers from 0 ({LABELS[0]}) to 6 ({LABELS[-1]})"
        yield "emotion", f"has the emotion {emotion[:20]!r}", fix
    if usage not in USAGES:
        yield "usage", f"has the Usage {usage[:20]!r}", f"Usage is one of {', '.join(USAGES)}"


def _parse_pixels(text: str) -> tuple[NDArray[np.int64], list[ProblemParts]]:
    """Pixels ``(2304,)`` without problems, or unusable pixels with the problems."""
    fix = f"a face is {PIXELS} whole numbers from 0 to 255, separated by spaces"
    try:
        # Older NumPy only warns about text after the last number, and ignores it.
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            values = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        values = np.empty(0, dtype=np.int64)
    if values.size == PIXELS and values.min() >= 0 and values.max() <= 255:
        return values, []
    words = text.split()
    if len(words) != PIXELS:
        return values, [("pixels", f"has {len(words)} pixels, not {PIXELS}", fix)]
    invalid = [word for word in words if not _is_pixel(word)]
    if invalid:
        return values, [("value", f"has the pixel value {invalid[0][:20]!r}", fix)]
    return np.array([int(word) for word in words], dtype=np.int64), []


def _is_pixel(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 9 and int(word) <= 255
