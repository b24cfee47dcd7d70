"""Exponential moving average of a track's emotion probabilities."""

import math
from typing import Final

import numpy as np

TIME_CONSTANT_S: Final = 0.5
"""After this time an expression that has ended still has 37 % (1/e) of its weight. Posed and
spontaneous expressions last 0.5 to 4 s (Ekman & Friesen 1982), so this smooths single frames and
preserves expressions."""
FORGET_S: Final = 5.0
"""A track without updates for this many seconds starts over."""


class EmotionSmoother:
    """Exponential smoothing in time, for the tracks of one stream.

    The weight of a new distribution is ``1 - exp(-dt / TIME_CONSTANT_S)``, where ``dt`` is the time
    since the track's last one, so the result does not depend on the frame rate.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, tuple[int, np.ndarray[tuple[int], np.dtype[np.float64]]]] = {}

    def smooth(self, track: int, at: int, probabilities: tuple[float, ...]) -> tuple[float, ...]:
        """Add a track's newest distribution; return the smoothed one.

        Args:
            track: The face's identity.
            at: Time of the frame in ns; must not decrease from call to call of one track.
            probabilities: Seven probabilities.

        Returns:
            Seven probabilities with the same sum.
        """
        new = np.asarray(probabilities)
        before = self._tracks.get(track)
        if before is not None:
            seconds = max(0, at - before[0]) / 1e9
            if seconds < FORGET_S:
                weight = -math.expm1(-seconds / TIME_CONSTANT_S)
                new = before[1] + weight * (new - before[1])
        self._tracks[track] = (at, new)
        return tuple(np.clip(new, 0, 1).tolist())

    @property
    def tracks(self) -> set[int]:
        """The tracks in memory."""
        return set(self._tracks)

    def forget(self, at: int) -> None:
        """Drop the tracks without updates for `FORGET_S` at the time ``at`` in ns."""
        old = [t for t, (seen, _) in self._tracks.items() if at - seen > FORGET_S * 1e9]
        for track in old:
            del self._tracks[track]
