"""Hyperparameters of the two recipes; without TensorFlow, so that mistakes show at once."""

import math
from dataclasses import dataclass, field
from typing import Final

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.cpu_features import fast_in_bfloat16


@dataclass(frozen=True)
class FinetuneConfig:
    """Hyperparameters of one run of the strong recipe."""

    epochs: int = 60
    batch_size: int = 128
    learning_rate: float = 0.05
    """Highest learning rate."""
    seed: int = 0
    image_size: int = 48
    """Side of the model's input in pixels."""
    decay: float = 5e-4
    """Weight decay of kernels, added to the gradient (L2)."""
    warm_epochs: int = 1
    """Number of epochs at the start in which only the head is trained."""
    low: float = 1 / 4
    """Share of the epochs, after those, in which VGG16's first two blocks are trained as well, at a
    rate that falls to zero. They detect edges and corners, which they have learnt by then (Brock et
    al. 2017); a step without them costs a quarter less."""
    whole: float = 1 / 6
    """Share of the epochs, at the end, that use whole, unmixed faces; those before use windows,
    which cost a fifth less."""
    window: float = 5 / 6
    """Side of a window, as a share of the picture's."""
    mixing: float = 0.5
    """Largest share of another face in a picture and its target (mixup, Zhang et al. 2018); most
    shares are much smaller."""
    changes: float = 1.0
    """Strength of the augmentation, 0 to 1 (see ``affectline.training.data.augment``)."""
    degraded: float = 0.0
    """Share of the pictures that each kind of damage happens to (see
    ``affectline.training.data.degrade``)."""
    sharpness: float = 0.0
    """Length of the step to where the loss is highest nearby, whose slope is then followed
    (sharpness-aware minimisation, Foret et al. 2021); on whole faces only, because each such step
    costs as much as two. 0: plain steps."""
    dropout: float = 0.3
    """Share of the features that a step drops (Srivastava et al. 2014)."""
    smoothing: float = 0.1
    """Share of a label that is spread over all seven (Szegedy et al. 2016)."""
    votes_trust: float = 0.5
    """Weight of FER+'s votes in a label's target (see ``training.fit.label_smoothing``)."""
    averaging: float = 0.999
    """Share of the running average of the weights that a step keeps (Polyak & Juditsky 1992)."""
    mixed: bool = field(default_factory=fast_in_bfloat16)
    """Compute in bfloat16; weights and sums stay float32. A processor without it would take
    more than twice as long."""

    @property
    def low_epochs(self) -> int:
        """Number of epochs in which the first two blocks are trained."""
        return round(self.epochs * self.low)

    def uses_whole_faces(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, uses whole faces."""
        return epoch >= self.epochs - max(1, round(self.epochs * self.whole))

    def side(self, whole: bool) -> int:
        """Side of the pictures in pixels."""
        return self.image_size if whole else round(self.image_size * self.window)


@dataclass(frozen=True)
class HeadSettings:
    """Settings of the paper's recipe that may vary between runs; the rest is the paper's."""

    epochs: int = 500
    batch_size: int = 32
    learning_rate: float = 0.002
    seed: int = 0
    hidden: tuple[int, ...] = (256, 128, 64)
    """Units of the head's dense layers, as ``paper_network.HIDDEN`` has them."""
    preprocessing: Preprocessing = "unit"
    """The paper does not say which; this comes closest to its figures (docs/results.md)."""


WARM_START: Final = {
    "epochs": 40,
    "learning_rate": 0.02,
    "warm_epochs": 0,
    "low": 0.0,
    "whole": 0.4,
    "mixing": 0.0,
    "changes": 0.5,
    "dropout": 0.2,
    "votes_trust": 0.25,
}
"""What differs if a run starts from a trained model: a lower rate, no mixed faces, and VGG16's
first two blocks unchanged, among others."""

POLISH: Final = WARM_START | {
    "epochs": 3, "learning_rate": 0.012, "whole": 1.0, "changes": 0.4, "sharpness": 0.05,
}  # fmt: skip
"""What differs from the defaults in the last epochs of all, from a trained model or a mean of
several: sharpness-aware steps on whole faces."""


def learning_rate_at(step: int, steps: int, warm: int, highest: float) -> float:
    """Learning rate: zero for ``warm`` steps, a rise half as long, then half a cosine."""
    if step < warm:
        return 0.0
    rise = max(1, warm // 2)
    done = (step - warm) / max(1, steps - warm)
    return highest * min(1.0, (step - warm + 1) / rise) * 0.5 * (1 + math.cos(math.pi * done))
