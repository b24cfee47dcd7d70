"""Pictures as folders of faces hold them."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affectline.common.model.shipped_digests import DEFAULT_MODEL

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


def model_trained_on(folder: Path, **data: Any) -> Path:
    """A copy of the shipped model whose manifest says that it was trained on other data."""
    shutil.copytree(DEFAULT_MODEL, folder)
    file = folder / "manifest.json"
    content = json.loads(file.read_text())
    content["training"]["data"] = data
    file.write_text(json.dumps(content))
    return folder
