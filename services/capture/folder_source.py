"""A folder of images as a source of frames."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.capture.frame_source import SourceEnd, SourceFrame

FOLDER_RATE: Final = 25.0
"""Frames a second of a folder of images where the settings name none."""
IMAGE_SUFFIXES: Final = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class FolderSource:
    """A folder of images, in the order of their names with numbers counted as numbers."""

    live = False

    def __init__(self, path: Path, rate: float) -> None:
        self._folder = path
        found = [
            p for p in path.iterdir()
            if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")
        ]  # fmt: skip
        self._paths = sorted(found, key=_natural)
        if not self._paths:
            raise AffectlineError(
                f"--source {path}: the folder holds no picture",
                f"put in files ending in {', '.join(sorted(IMAGE_SUFFIXES))}",
            )
        self.rate: float | None = rate
        self.frames: int | None = len(self._paths)
        self._unreadable: list[str] = []
        self._frames = self._iterate()

    def _iterate(self) -> Iterator[SourceFrame]:
        for i, path in enumerate(self._paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                self._unreadable.append(path.name)
                continue
            yield SourceFrame(
                np.asarray(image, dtype=np.uint8), round(i * 1e9 / (self.rate or FOLDER_RATE))
            )

    def read(self) -> SourceFrame | None:
        """Next image that can be read; None at the end."""
        return next(self._frames, None)

    def ending(self) -> SourceEnd:
        if self._unreadable:
            return SourceEnd(
                "truncated",
                f"{self._folder}: {len(self._unreadable)} of {len(self._paths)} pictures "
                f"could not be read, first {self._unreadable[0]}",
            )
        return SourceEnd("end")

    def close(self) -> None:
        self._frames.close()  # type: ignore[attr-defined]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", path.name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p]
