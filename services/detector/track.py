"""One face over time: where it is, where it is going, and whether it is one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affectline.services.detector.detectors.haar import Detection

_STRONG: Final = 16.0
"""Evidence that makes a face at once: 2 of 258 mistaken finds in pictures without a face had as
much, and 74 % of the upright finds in clips of faces."""

_FAIR: Final = 9.0
"""Mean evidence that makes a face of three sightings in a row."""

_ROLLED: Final = 4.0
"""How much more of it a face needs that was found rolled: more directions, more errors."""

_MAX_ROLL: Final = 40.0
"""Degrees. Farther than heads roll, and where a search would end up on its side."""


@dataclass
class FaceTrack:
    """A face over time."""

    place: Detection
    number: int | None = None
    """None while it may yet turn out to be no face."""
    hits: int = 1
    misses: int = 0
    """Pictures since it was last seen."""
    evidence: float = 0.0
    """Sum over all sightings until it is confirmed."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels per picture."""
    restless: bool = True
    """Whether the last measurement of size and roll differed much from the one before."""

    @property
    def seen(self) -> bool:
        return self.misses == 0

    def expected(self) -> Detection:
        """Where the face should be by now."""
        x, y = self.place.x + self.velocity[0], self.place.y + self.velocity[1]
        return self.place._replace(x=x, y=y)

    def miss(self) -> None:
        self.misses += 1
        self.place = self.expected()
        self.velocity = (0.8 * self.velocity[0], 0.8 * self.velocity[1])

    def move(self, hit: Detection) -> None:
        """Go to where the face was seen: calmly for a jitter, at once for a movement."""
        before, expected = self.place, self.expected()
        share = _share(math.hypot(hit.x - expected.x, hit.y - expected.y) / before.side)
        x = expected.x + share * (hit.x - expected.x)
        y = expected.y + share * (hit.y - expected.y)
        growth, turn = hit.side / before.side - 1, hit.angle - before.angle
        self.restless = abs(growth) > 0.035 or abs(turn) > 4
        side = before.side * (1 + _share(abs(growth)) * growth)
        angle = before.angle + _share(abs(turn) / 40) * max(-12.0, min(12.0, turn))
        self.place = Detection(x, y, side, max(-_MAX_ROLL, min(_MAX_ROLL, angle)), 0.0)
        step = (x - before.x, y - before.y)
        self.velocity = (
            (self.velocity[0] + step[0]) / 2,
            (self.velocity[1] + step[1]) / 2,
        )
        self.misses = 0
        self.hits += 1
        self.evidence += hit.evidence

    def proven(self) -> bool:
        """Whether this is a face and no chance likeness."""
        extra = _ROLLED if abs(self.place.angle) > 22 else 0.0
        mean = self.evidence / self.hits
        return mean >= _STRONG + extra or (self.hits >= 3 and mean >= _FAIR + extra)


def distance(one: Detection, other: Detection) -> float:
    """Between the centres, in pixels."""
    return math.hypot(one.x - other.x, one.y - other.y)


def same(one: Detection, other: Detection) -> bool:
    """Whether two sightings are too close to be two faces."""
    return distance(one, other) < 0.5 * max(one.side, other.side)


def within_reach(hit: Detection, track: FaceTrack) -> bool:
    """Whether a missing face can have come this far: a face's width and 0.2 more a picture."""
    ratio = hit.side / track.place.side
    far = distance(hit, track.place) / track.place.side
    return 0.6 < ratio < 1.67 and far < 1 + 0.2 * track.misses


def box(place: Detection, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The face's square in whole pixels, moved rather than cut where it leaves the picture."""
    height, width = shape
    side = max(1, round(place.side))
    across, down = min(side, width), min(side, height)
    left = min(max(0, round(place.x - across / 2)), width - across)
    top = min(max(0, round(place.y - down / 2)), height - down)
    return left, top, across, down


def _share(change: float) -> float:
    """Share of a change to go along with: 0.4 for a jitter, all from a tenth of a face on."""
    return min(1.0, max(0.4, change / 0.1))
