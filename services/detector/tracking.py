"""Which face is which from picture to picture, at the price of few full scans."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.detector.cascade import Finder, HaarFinder, Sighting
from services.detector.cropping import MARGIN


class DetectorSettings(BaseModel):
    """How faces are found and followed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["haar", "yunet"] = "haar"
    yunet_model: Path | None = None
    """The model file of ``cv2.FaceDetectorYN``; not shipped."""
    scan_size: int = Field(default=320, ge=64, le=4096)
    """Longer side of the reduced picture of a full scan, in pixels."""
    scan_interval: int = Field(default=15, ge=1)
    """Pictures from one full scan to the next while every known face is in sight."""
    search_interval: int = Field(default=2, ge=1)
    """The same while a face is missing or none is known."""
    scale_factor: float = Field(default=1.2, gt=1.01, le=2)
    """Ratio of successive face sizes in a full scan."""
    min_neighbours: int = Field(default=2, ge=1)
    """Windows that must agree before a full scan takes notice."""
    min_face: float = Field(default=0.15, gt=0, le=1)
    """Smallest face to be found, as a fraction of the picture's height."""
    max_faces: int = Field(default=4, ge=1)
    max_misses: int = Field(default=15, ge=0)
    """Pictures for which a face may be out of sight and keep its track."""
    margin: float = Field(default=MARGIN, ge=-0.3, le=1)
    """What a crop adds to the box on each side, in sides of the box."""


class TrackedFace(NamedTuple):
    """A face seen in this very picture."""

    track: int
    """Counts from 1 and is never given again."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in pixels of the picture that was searched, within it."""
    angle: float
    """Roll of the head in degrees, positive counter-clockwise on the screen."""


STRONG = 16.0
WEAK = 8.0
PROBE = 8
SCAN_ROLL = 28.0


@dataclass
class _Track:
    """A face over time."""

    place: Sighting
    number: int | None = None
    """None until the face is confirmed."""
    misses: int = 0
    hits: int = 1
    velocity: tuple[float, float] = (0.0, 0.0)
    seen: bool = True

    def expected(self) -> Sighting:
        return self.place._replace(
            x=self.place.x + self.velocity[0], y=self.place.y + self.velocity[1]
        )


class FaceTracker:
    """Finds the faces of successive pictures and gives each a number that lasts.

    Deterministic: the same pictures in the same order give the same faces.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._finder: Finder = HaarFinder(
            settings.scan_size, settings.scale_factor, settings.min_neighbours, settings.min_face
        )
        self._tracks: list[_Track] = []
        self._count = 0
        self._pictures = 0
        self._since_scan = 10**9
        self._scans = 0
        self._shape = (0, 0)

    def find(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of the next picture.

        Args:
            gray: ``(H, W) uint8`` grayscale picture at full resolution.

        Returns:
            The faces seen in this picture, by track; a face that is missing is left out, and has
            its track again if it comes back within ``max_misses`` pictures.
        """
        self._fit(gray.shape)
        for track in self._tracks:
            self._follow(gray, track)
        self._part()
        self._since_scan += 1
        if self._since_scan >= self._interval():
            self._scan(gray)
        self._tracks = [t for t in self._tracks if t.misses <= self._patience(t)]
        self._pictures += 1
        return self._faces(gray.shape)

    def _patience(self, track: _Track) -> int:
        return self._settings.max_misses if track.number else 1

    def _fit(self, shape: tuple[int, ...]) -> None:
        """Move the tracks along when the picture's size changes."""
        height, width = shape
        if self._tracks and self._shape != (height, width):
            down, across = height / self._shape[0], width / self._shape[1]
            for track in self._tracks:
                place = track.place
                track.place = place._replace(
                    x=place.x * across, y=place.y * down, side=place.side * math.sqrt(across * down)
                )
                track.velocity = (0.0, 0.0)
        self._shape = (height, width)

    def _follow(self, gray: NDArray[np.uint8], track: _Track) -> None:
        probe = self._pictures % PROBE == 0 or track.number is None
        expected = track.expected()
        hit = self._finder.follow(gray, expected, probe) or self._finder.regain(gray, expected)
        if hit:
            self._update(track, hit)
        else:
            track.misses += 1
            track.seen = False
            track.velocity = (track.velocity[0] * 0.7, track.velocity[1] * 0.7)

    def _update(self, track: _Track, hit: Sighting) -> None:
        before, expected = track.place, track.expected()
        error = math.hypot(hit.x - expected.x, hit.y - expected.y) / before.side
        gain = min(1.0, max(0.4, error / 0.1))
        x = expected.x + gain * (hit.x - expected.x)
        y = expected.y + gain * (hit.y - expected.y)
        side = before.side + 0.4 * (hit.side - before.side)
        angle = before.angle + 0.5 * (hit.angle - before.angle)
        track.velocity = (
            0.5 * track.velocity[0] + 0.5 * (x - before.x) if track.misses == 0 else 0.0,
            0.5 * track.velocity[1] + 0.5 * (y - before.y) if track.misses == 0 else 0.0,
        )
        track.place = Sighting(x, y, side, angle, hit.evidence)
        track.misses, track.seen = 0, True
        track.hits += 1
        if track.number is None and (hit.evidence >= STRONG or track.hits >= 3):
            self._confirm(track)

    def _confirm(self, track: _Track) -> None:
        self._count += 1
        track.number = self._count

    def _part(self) -> None:
        """Let no two tracks share one face: the older keeps it."""
        for i, track in enumerate(self._tracks):
            for other in self._tracks[:i]:
                if track.seen and other.seen and _same(track.place, other.place):
                    track.seen = False
                    track.misses += 1

    def _interval(self) -> int:
        settled = self._tracks and all(track.seen for track in self._tracks)
        return self._settings.scan_interval if settled else self._settings.search_interval

    def _scan(self, gray: NDArray[np.uint8]) -> None:
        self._since_scan = 0
        angle = 0.0
        if not self._tracks:
            angle = (0.0, SCAN_ROLL, 0.0, -SCAN_ROLL)[self._scans % 4]
        self._scans += 1
        hits = self._finder.scan(gray, angle, [t.place for t in self._tracks if t.seen])
        for hit in sorted(hits, key=lambda h: -h.side):
            self._adopt(gray, hit)

    def _adopt(self, gray: NDArray[np.uint8], hit: Sighting) -> None:
        close = self._finder.follow(gray, hit, True)
        if close is None or close.evidence < WEAK:
            return
        if any(t.seen and _same(close, t.place) for t in self._tracks):
            return
        lost = [t for t in self._tracks if not t.seen and t.number and _near(close, t)]
        if lost:
            track = min(lost, key=lambda t: _distance(close, t.place))
            track.place, track.velocity = close, (0.0, 0.0)
            track.misses, track.seen = 0, True
            return
        if len(self._tracks) >= self._settings.max_faces:
            return
        track = _Track(close)
        if close.evidence >= STRONG:
            self._confirm(track)
        self._tracks.append(track)

    def _faces(self, shape: tuple[int, ...]) -> list[TrackedFace]:
        return [
            TrackedFace(track.number, _box(track.place, shape), round(track.place.angle, 1))
            for track in self._tracks
            if track.seen and track.number
        ]


def _distance(one: Sighting, other: Sighting) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)


def _same(one: Sighting, other: Sighting) -> bool:
    return _distance(one, other) < 0.5 * max(one.side, other.side)


def _near(hit: Sighting, track: _Track) -> bool:
    ratio = hit.side / track.place.side
    far = _distance(hit, track.place) / track.place.side
    return 0.6 < ratio < 1.67 and far < 1 + 0.2 * track.misses


def _box(place: Sighting, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    height, width = shape
    left, top = max(0, round(place.x - place.side / 2)), max(0, round(place.y - place.side / 2))
    right = min(width, round(place.x + place.side / 2))
    bottom = min(height, round(place.y + place.side / 2))
    return left, top, max(1, right - left), max(1, bottom - top)
