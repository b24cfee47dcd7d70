"""SHA-256 digests of the models shipped with Affectline.

A manifest beside a model has the model's SHA-256, but cannot detect that both were replaced. So the
digests are here as well, including those of the manifests, which define the preprocessing of the
model's input and the meaning of its output.
"""

import os
from pathlib import Path
from typing import Final

MODELS: Final = Path(__file__).parents[1] / "models"
DEFAULT_MODEL: Final = MODELS / "vgg16-48"

SHIPPED_DIGESTS: Final = {
    "covered-face": {
        "manifest.json": "6eb6520edc63419e2c9dfe63515a0ecb46a5cefa00fffaa1388384261484a34f",
        "model.tflite": "335afcbf24f93aad0b4e72c999d95220c2abb938bef43c3264feae7cad23c6ba",
    },
    "face-detection-full-range": {
        "manifest.json": "18fdefa783ee9c3ac023d6e70961245c7b8fa31ec70fd39a5641f4fa3c9ff360",
        "model.tflite": "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    },
    "face-detection-short-range": {
        "manifest.json": "24fab77c645d9b93b269f189d317a05536b52650c24a3c9f5035e2e3fbf3b605",
        "model.tflite": "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    },
    "face-mesh": {
        "canonical_face.json": "85c78071071f4c1c6130ee394c59076e345a9f03b3f41c28b8f38e8e9199c5ef",
        "manifest.json": "028517c67aae020e81f50ff60f8a76ef8ddcbf3e75583eb05706fe137a706279",
        "model.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    },
    "iris": {
        "manifest.json": "68b972a53526e2efbdaddf83086d10672a1d843932db257862796ea457f83229",
        "model.tflite": "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    },
    "vgg16-48": {
        "manifest.json": "43e469e4163a6fbac0a0c0867980da85147ffb13216c165f51acaba5ab1caaba",
        "model.tflite": "2c6b8f1bfdd44416e3847a77c353fa524ab63c3479a805cbf18fddcafbf38517",
    },
}
"""SHA-256 in hexadecimal digits, by folder below `MODELS` and file in it."""


def shipped_digest(path: Path) -> str | None:
    """The SHA-256 that a file must have; None if it does not belong to a shipped model."""
    for place in (Path(os.path.abspath(path)), path.resolve()):  # noqa: PTH100 # links stay
        for home in (MODELS, MODELS.resolve()):
            if place.is_relative_to(home):
                folder, _, file = place.relative_to(home).as_posix().partition("/")
                return SHIPPED_DIGESTS.get(folder, {}).get(file)
    return None
