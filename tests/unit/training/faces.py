"""Pictures as folders of faces hold them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

NOISE = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)


def save(file: Path, picture: Any = NOISE) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), np.asarray(picture))
    return file


def flat(value: int, height: int = 20, width: int = 20, dtype: Any = np.uint8) -> Any:
    return np.full((height, width), value, dtype)


def manifest(root: Path, *rows: str, header: str = "file,label") -> Path:
    (root / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return root
