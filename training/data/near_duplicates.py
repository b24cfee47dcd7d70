"""Finds test faces with near duplicates in the training rows, which a model may memorize."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_CORRELATION: Final = 0.95
"""Correlation from which two pictures count as near duplicates. Of FER2013's public test faces
above it, 93 % have the label of their nearest training face; of those below 0.9, a third."""
COMPARED_SIDE: Final = 24
"""Side in pixels at which pictures are compared: a shift by a pixel then changes little."""
BATCH: Final = 512


def has_near_duplicates(faces: NDArray[np.uint8], known: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which faces, or their mirror images, have a near duplicate among others.

    Args:
        faces: ``(N, S, S)``.
        known: The others, ``(M, S, S)``.

    Returns:
        ``(N,)``.
    """
    found = np.zeros(len(faces), bool)
    others = _standardised(known).T
    for start in range(0, len(faces), BATCH):
        part = faces[start : start + BATCH]
        for view in (part, part[:, :, ::-1]):
            nearest = (_standardised(view) @ others).max(axis=1)
            found[start : start + BATCH] |= nearest >= MIN_CORRELATION
    return found


def _standardised(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows with mean 0 and norm 1, ``(N, 576)``: their dot products are correlations."""
    small = np.stack(
        [
            cv2.resize(face, (COMPARED_SIDE, COMPARED_SIDE), interpolation=cv2.INTER_AREA)
            for face in faces
        ]
    )
    rows = small.reshape(len(faces), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-6), dtype=np.float32)


def describe_near_duplicates(figures: dict[str, Any], whose: str = "these") -> str:
    """Describe them in sentences, from the figures of ``evaluate``; empty without such figures."""
    found = figures.get("without_twins")
    if not found or not found["rows"]:
        return ""
    count = figures["rows"] - found["rows"]
    if not count:
        return f"None of {whose} faces has a near duplicate among the training rows."
    low, high = found["interval"]
    return (
        f"{count:,} of {whose} faces {'has' if count == 1 else 'have'} a near duplicate among "
        f"the training rows. Accuracy on the other {found['rows']:,} is {found['accuracy']:.1%} "
        f"({low:.1%} to {high:.1%}): expect this on new faces of the same kind."
    )
