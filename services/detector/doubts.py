"""Reasons not to trust the emotion of a face: the measured limits of the classifier.

At each limit, the included model is right on nine tenths of what it is right on without damage.
``affectline-train robustness`` reads them off its curves (docs/robustness.md); after it has run on
a new model, a test says which of these constants no longer agree with docs/robustness/curves.json.
"""

from collections.abc import Iterator
from typing import Final

from affectline.common.wire.face_signs import Doubt
from affectline.common.wire.messages import Quality
from affectline.services.detector.head_pose import HeadPose

TURNED_YAW: Final = 34.0
"""Degrees to either side, as the face mesh reads them, which is less than a strong turn is. The
wider of what heads turned by their mesh and turned heads of FER2013 show."""
LOWERED_PITCH: Final = -30.0
"""Degrees. Fewer than 2 % of FER2013's training faces are lowered farther. Not read off a curve:
what the mesh reads depends as much on face and camera as on the head (docs/robustness.md)."""
LIFTED_PITCH: Final = 25.0
"""Degrees. Fewer than 1 % of them are lifted farther."""
COVERED_SCORE: Final = 0.5
"""Score of the face mesh below which something covers most of the face."""
BLURRED: Final = 120.0
"""Variance of the Laplacian at 48x48 pixels."""
DARK: Final = 0.2
"""Mean brightness, 0 (black) to 1 (white)."""
TOO_SMALL: Final = 25
"""Side of the face in pixels of the frame."""


def doubt_crop(quality: Quality) -> Iterator[Doubt]:
    """Doubts about the image quality of a crop."""
    if quality.blur < BLURRED:
        yield "blurred"
    if quality.brightness < DARK:
        yield "dark"
    if quality.size < TOO_SMALL:
        yield "too_small"


def is_turned_away(pose: HeadPose) -> bool:
    """Whether a head is turned beyond the angles for which the model was tested."""
    return abs(pose.yaw) > TURNED_YAW or not LOWERED_PITCH <= pose.pitch <= LIFTED_PITCH
