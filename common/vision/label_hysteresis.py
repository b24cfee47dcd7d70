"""The label of a track: that of its most probable emotion, without flicker."""

from collections.abc import Sequence
from typing import Final

MARGIN: Final = 0.1
"""Another emotion takes over when it is more probable than the present one by this. Between two
that are about as probable the label stays: smoothing alone lets it change every few frames."""


class LabelHysteresis:
    """The label of each track of one stream."""

    def __init__(self) -> None:
        self._present: dict[int, int] = {}

    def choose(self, track: int, probabilities: Sequence[float]) -> int:
        """The index of the track's label, after one more distribution.

        Args:
            track: The face's identity.
            probabilities: Seven, smoothed over time.
        """
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        present = self._present.get(track, best)
        if probabilities[best] <= probabilities[present] + MARGIN:
            best = present
        self._present[track] = best
        return best

    def forget_all_but(self, tracks: set[int]) -> None:
        """Forget the tracks that do not go on."""
        for track in self._present.keys() - tracks:
            del self._present[track]
