"""Plans when the square becomes light and dark."""

import random
from typing import Final

SHORTEST_S: Final = 0.4
LONGEST_S: Final = 0.8
"""How long the square stays light or dark, in s: fewer than three flashes a second, which WCAG 2.2
(2.3.1) considers safe, and longer than the jitter of any camera."""


def plan_changes(seconds: float, seed: int | None = None) -> list[float]:
    """Times at which the square changes, in s from the beginning.

    The intervals are irregular, so that a delay longer than a flash is not mistaken for a shorter
    one, and so that changes fall anywhere between two frames.

    Args:
        seconds: Duration.
        seed: Seed, to get the same times again.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    moments, at = [], 1.0  # first let the camera see the dark square
    while at < seconds:
        moments.append(at)
        at += chance.uniform(SHORTEST_S, LONGEST_S)
    return moments
