"""The label of a track: its most probable emotion, without flicker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MARGIN: Final = 0.05
"""Another emotion takes over at once when it is more probable than the present one by this: a
twentieth is the smallest difference between two bars that is visible at a glance. If the two are
about equally probable, the label stays: smoothing alone would let it change every few frames."""
LEAD_S: Final = 0.5
"""Another emotion takes over by any margin after leading for this long without a break, so the
label is never behind the longest bar for longer. This equals the smoothing's time constant, so that
a lead caused by one or two frames has passed by then."""


@dataclass
class _TrackLabel:
    present: int
    leader: int
    """The most probable emotion."""
    led_since: int
    """When it became the most probable one, in ns."""


class LabelHysteresis:
    """The label of each track of one stream."""

    def __init__(self) -> None:
        self._tracks: dict[int, _TrackLabel] = {}

    def choose(self, track: int, at: int, probabilities: Sequence[float]) -> int:
        """Update a track with one more distribution; return the index of its label.

        Args:
            track: The face's identity.
            at: Time of the frame in ns.
            probabilities: Seven probabilities, smoothed over time.
        """
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        label = self._tracks.setdefault(track, _TrackLabel(best, best, at))
        if best != label.leader or at < label.led_since:
            label.leader, label.led_since = best, at
        ahead = probabilities[best] - probabilities[label.present]
        if ahead > MARGIN or at - label.led_since >= LEAD_S * 1e9:
            label.present = best
        return label.present

    def forget_all_but(self, tracks: set[int]) -> None:
        """Forget all other tracks."""
        for track in self._tracks.keys() - tracks:
            del self._tracks[track]
