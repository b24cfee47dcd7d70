"""Hands drawn over faces: FER2013 does not label covered faces.

A hand is bars with round ends and shaded edges, side by side like fingers, as bright as the face.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.preprocessing import FER_SIZE

_TIPS: Final = ((15, 18), (33, 18), (24, 36), (24, 36), (14, 32), (34, 32), (24, 26))
"""Positions of fingertips, x and y: eyes, mouth (twice as often), cheeks, nose."""

_ROWS, _COLUMNS = (axis.astype(np.float32) for axis in np.mgrid[0:FER_SIZE, 0:FER_SIZE])


def draw_hand(
    face: NDArray[np.uint8], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw a hand over a face.

    Args:
        face: ``(48, 48) uint8``.
        random: Determines the position, size and brightness of the hand.

    Returns:
        The face with the hand, ``(48, 48)``, 0 to 255; and how much of each pixel the hand hides,
        ``(48, 48)``, 0 to 1.
    """
    skin = float(np.percentile(face[12:36, 12:36], 70))
    bright = float(np.clip(skin * random.uniform(0.75, 1.2), 20, 250))
    fingers, width = int(random.integers(1, 5)), random.uniform(5, 9)
    angle, length = random.uniform(0, 2 * np.pi), random.uniform(20, 45)
    tip = np.array(_TIPS[int(random.integers(len(_TIPS)))]) + random.normal(0, 3, 2)
    along = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-along[1], along[0]])
    found, hidden = face.astype(np.float32), np.zeros(face.shape, np.float32)
    if random.random() < 0.6:  # a palm behind the fingers
        palm = bright * random.uniform(0.85, 1.05)
        wide = 1.1 * width * fingers + 4
        found, hidden = _draw_bar(found, hidden, tip + length * along, angle, 30, wide, palm)
    for number in range(fingers):
        offset = (number - (fingers - 1) / 2) * width * random.uniform(0.9, 1.05)
        found, hidden = _draw_bar(
            found,
            hidden,
            tip + offset * aside + random.normal(0, 1, 2),
            angle + random.normal(0, 0.07),
            length * random.uniform(0.8, 1.2),
            width * random.uniform(0.9, 1.1),
            bright * random.uniform(0.93, 1.07),
        )
    return found, hidden


def _draw_bar(
    face: NDArray[np.float32],
    hidden: NDArray[np.float32],
    tip: NDArray[np.float64],
    angle: float,
    length: float,
    width: float,
    bright: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw a bar with round ends, darker towards its edges, over a face."""
    across, down = _COLUMNS - tip[0], _ROWS - tip[1]
    along = across * np.cos(angle) + down * np.sin(angle)
    aside = down * np.cos(angle) - across * np.sin(angle)
    beyond = np.maximum(np.abs(along - length / 2) - length / 2, 0)
    reach = np.hypot(beyond, aside) / (width / 2)
    mask = np.clip((1 - reach) * width / 2 + 0.5, 0, 1)
    shade = bright * (1 - 0.35 * np.clip(reach, 0, 1) ** 2)
    drawn = np.asarray(face * (1 - mask) + shade * mask, dtype=np.float32)
    return drawn, np.asarray(1 - (1 - hidden) * (1 - mask), dtype=np.float32)
