"""Which face is which from picture to picture, at the price of few full scans."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import DetectorSettings
from affectline.services.detector.detectors.haar import (
    Detection,
    FaceDetector,
    HaarDetector,
    ScanPass,
    SearchEffort,
)
from affectline.services.detector.track import FaceTrack, box, distance, same, within_reach
from affectline.services.detector.detectors.yunet import YuNetDetector


class TrackedFace(NamedTuple):
    """A face seen in this very picture."""

    track: int
    """Counts from 1 and is never given again."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in pixels of the picture that was searched, within it; square
    unless the picture is smaller than the face."""
    angle: float
    """Roll of the head in degrees, positive counter-clockwise on the screen."""


_MEASURE_INTERVAL: Final = 12
"""Pictures between measurements of a steady face's size and roll, worth two near searches."""

_PROBATION: Final = 5
"""Pictures in which a find must prove that it is a face."""

_SWEEPS: Final = (
    ScanPass("large", 0.0),
    ScanPass("small", 0.0),
    ScanPass("large", 28.0),
    ScanPass("large", 0.0),
    ScanPass("small", 0.0),
    ScanPass("large", -28.0),
)
"""What a search does in turn. The cascade bears about 15 degrees, a near search 12 more."""


class FaceTracker:
    """Finds the faces of successive pictures and gives each a number that lasts.

    Deterministic: the same pictures in the same order give the same faces.

    Raises:
        AffectlineError: The backend's model file is missing or unreadable.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._finder = _finder(settings)
        self._tracks: list[FaceTrack] = []
        self._numbers = 0
        self._pictures = 0
        self._last_sweep = 0
        self._sweeps = 0
        self._shape = (0, 0)

    def find(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of the next picture.

        Args:
            gray: ``(H, W) uint8`` grayscale picture at full resolution.

        Returns:
            The faces seen in this picture, by track; a face that is missing is left out, and has
            its track again if it comes back within ``max_misses`` pictures.
        """
        self._fit((gray.shape[0], gray.shape[1]))
        self._follow(gray)
        self._scan(gray)
        self._tracks = [t for t in self._tracks if t.misses <= self._patience(t)]
        self._pictures += 1
        return sorted(
            TrackedFace(track.number, box(track.place, self._shape), round(track.place.angle, 1))
            for track in self._tracks
            if track.seen and track.number
        )

    def _patience(self, track: FaceTrack) -> int:
        return self._settings.max_misses if track.number else 0

    def _fit(self, shape: tuple[int, int]) -> None:
        """Move the tracks along when the picture's size changes."""
        if self._tracks and self._shape != shape:
            down, across = shape[0] / self._shape[0], shape[1] / self._shape[1]
            for track in self._tracks:
                x, y, side, *rest = track.place
                track.place = Detection(
                    x * across, y * down, side * math.sqrt(across * down), *rest
                )
                track.velocity = (0.0, 0.0)
        self._shape = shape

    def _follow(self, gray: NDArray[np.uint8]) -> None:
        """Look for every known face near its last place, and give each find to one track only.

        Where two tracks could have a find, the one that had its face in sight has it, and of two
        such tracks the one that expected it there: a face that passes in front of another takes
        no track from it, nor gives its own away.
        """
        expected = [track.expected() for track in self._tracks]
        looks = zip(self._tracks, expected, strict=True)
        hits = [self._look(gray, track, place) for track, place in looks]
        claims = sorted(
            (track.misses, distance(hit, expected[i]) / expected[i].side, i, j)
            for i, track in enumerate(self._tracks)
            for j, hit in enumerate(hits)
            if hit and (i == j or same(hit, expected[i]))
        )
        given: dict[int, Detection] = {}
        for _, _, i, j in claims:
            hit = hits[j]
            if hit and i not in given and not any(same(hit, one) for one in given.values()):
                given[i] = hit
        for i, track in enumerate(self._tracks):
            self._settle(track, given.get(i))

    def _settle(self, track: FaceTrack, hit: Detection | None) -> None:
        if hit is None:
            track.miss()
            return
        track.move(hit)
        self._number(track)
        if not track.number and track.hits >= _PROBATION:
            track.miss()

    def _look(
        self, gray: NDArray[np.uint8], track: FaceTrack, expected: Detection
    ) -> Detection | None:
        due = (self._pictures + (track.number or 0)) % _MEASURE_INTERVAL == 0
        care: SearchEffort = "measure" if due or track.restless else "glance"
        hit = self._finder.follow(gray, expected, care if track.number else "weigh")
        if hit is None and track.number:
            return self._finder.regain(gray, expected)
        return hit

    def _number(self, track: FaceTrack) -> None:
        if track.number is None and track.proven():
            self._numbers += 1
            track.number = self._numbers

    def _scan(self, gray: NDArray[np.uint8]) -> None:
        """Sweep the picture if it is time, and all of it when it is the first."""
        settled = bool(self._tracks) and all(track.seen for track in self._tracks)
        wait = self._settings.scan_interval if settled else self._settings.search_interval
        if self._pictures and self._pictures - self._last_sweep < wait:
            return
        self._last_sweep = self._pictures
        if settled:  # a head is seldom rolled as it comes in
            sweeps = _SWEEPS[self._sweeps % 2 :][:1]
        else:
            sweeps = _SWEEPS[self._sweeps % len(_SWEEPS) :][: 1 if self._pictures else 2]
        self._sweeps += len(sweeps)
        for sweep in sweeps:
            known = [track.place for track in self._tracks if track.seen]
            found = self._finder.scan(gray, sweep, known)
            for hit in sorted(found, key=lambda one: -one.side):
                self._adopt(gray, hit)

    def _adopt(self, gray: NDArray[np.uint8], hit: Detection) -> None:
        """Give what a sweep found to the track that misses it, or begin a new one."""
        close = self._finder.follow(gray, hit, "weigh")
        if close is None or any(t.seen and same(close, t.place) for t in self._tracks):
            return
        missing = [t for t in self._tracks if not t.seen and within_reach(close, t)]
        if missing:
            track = min(missing, key=lambda one: distance(close, one.place))
            track.place, track.velocity, track.misses = close, (0.0, 0.0), 0
        elif len(self._tracks) < self._settings.max_faces:
            track = FaceTrack(close, evidence=close.evidence)
            self._number(track)
            self._tracks.append(track)


def _finder(settings: DetectorSettings) -> FaceDetector:
    if settings.backend == "haar":
        return HaarDetector(
            settings.scan_size, settings.scale_factor, settings.min_neighbours, settings.min_face
        )
    if settings.yunet_model is None:
        raise AffectlineError(
            "detector.backend is yunet, but detector.yunet_model is not set",
            "name the model file, or take the haar backend",
        )
    return YuNetDetector(settings.yunet_model, settings.scan_size, settings.min_face)
