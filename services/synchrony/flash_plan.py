"""When a square becomes light and dark."""

import random
from typing import Final

SHORTEST_S: Final = 0.4
LONGEST_S: Final = 0.8
"""How long the square stays light or dark, in s: fewer than three flashes a second, which WCAG 2.2
(2.3.1) takes for safe, and longer than the jitter of any camera."""


def plan_changes(seconds: float, seed: int | None = None) -> list[float]:
    """Moments at which the square changes, in s from the beginning.

    They come at irregular distances, so that a delay longer than a flash is not mistaken for a
    shorter one, and so that they fall anywhere between two pictures.

    Args:
        seconds: How long it goes on.
        seed: For the same moments again.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    moments, at = [], 1.0  # the camera first sees the square dark
    while at < seconds:
        moments.append(at)
        at += chance.uniform(SHORTEST_S, LONGEST_S)
    return moments
