"""Training data of the reproduction: features of all rows of FER2013."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.fit.paper_head_loop import Rows
from affectline.training.model.features import cache_features
from affectline.training.model.paper_network import build_backbone, weights_digest
from affectline.training.reproduce.grid import RunConfig

RANDOM_SPLIT_SEED: Final = 0


@dataclass(frozen=True, eq=False)
class ReproductionData:
    """The training data of the runs, small enough to be passed to other processes."""

    targets: NDArray[np.float32]
    """One-hot labels of all rows, ``(N, 7)``."""
    test: NDArray[np.bool_]
    """The file's own test rows, ``(N,)``."""
    identity: dict[str, str]
    """Digests of the data and of VGG16's weights, on which every figure depends."""
    features: dict[Preprocessing, Path] = field(default_factory=dict)
    """Files of features ``(N, 512) float32``."""

    @property
    def key(self) -> str:
        """A name for data and weights together."""
        return "".join(digest[:8] for digest in self.identity.values())

    def rows(self, run: RunConfig) -> tuple[Rows, Rows]:
        """Training and test rows of a run."""
        features = self.load(run.settings.preprocessing)
        masks = self.masks(run.random_split)
        if run.standardised:
            mean, spread = features[masks[0]].mean(axis=0), features[masks[0]].std(axis=0)
            features = (features - mean) / np.maximum(spread, 1e-6)
        train, test = ((features[mask], self.targets[mask]) for mask in masks)
        return train, test

    def load(self, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Features of all rows ``(N, 512)``."""
        features: NDArray[np.float32] = np.load(self.features[preprocessing])
        return features

    def masks(self, random: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks ``(N,) bool`` of the training and the test rows."""
        test = self.test
        if random:
            test = np.random.default_rng(RANDOM_SPLIT_SEED).permutation(test)
        return ~test, test


def extract_data(
    faces: LabelledFaces,
    weights: Path | None,
    cache: Path,
    progress: Progress,
    kinds: Collection[Preprocessing] = (),
) -> ReproductionData:
    """Compute VGG16's features of all faces, or find them in the cache.

    Args:
        faces: All rows of FER2013.
        weights: VGG16's ImageNet weights, as for ``build_backbone``.
        cache: Folder that caches features.
        progress: Where bars are shown.
        kinds: Preprocessings of pixels for which to compute features.
    """
    faces.require(Split.TRAINING, Split.TEST)
    backbone = build_backbone(weights or "imagenet")
    digest = weights_digest(backbone).hex()
    return ReproductionData(
        faces.targets,
        faces.rows(Split.TEST),
        {"data_sha256": faces.sha256, "backbone_sha256": digest},
        {kind: cache_features(backbone, faces.pixels, progress, cache, kind) for kind in kinds},
    )
