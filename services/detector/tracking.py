"""Tracks faces from frame to frame, with few full scans."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.settings.detector import DetectorSettings
from affectline.services.detector.detection import (
    STRONG_EVIDENCE,
    Detection,
    FaceDetector,
    IncrementalFaceDetector,
    SearchEffort,
)

_FAIR: Final = 9.0
"""Mean evidence with which three detections in a row confirm a face."""

_ROLLED: Final = 4.0
"""Additional evidence for a face that was found rolled: more directions, more errors."""

_MAX_ROLL: Final = 40.0
"""Degrees. Heads roll no farther, and a search would end up on its side."""

_MEASURE_INTERVAL: Final = 12
"""Frames between measurements of a steady face's size and roll, which cost two near searches."""

_PROBATION: Final = 5
"""Frames within which a new track must be confirmed."""


class TrackedFace(NamedTuple):
    """A face that is visible in this very frame."""

    track: int
    """Counts from 1 and is never reused."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in pixels of the image that was searched, within it; square
    unless the image is smaller than the face."""
    angle: float
    """Roll of the head in degrees, positive counter-clockwise on the screen."""


class FaceTracker:
    """Finds the faces of successive images and gives each a number that lasts.

    Deterministic: the same images in the same order give the same faces. A detector that can search
    near a known face does so, and scans a part of the image at a time; any other searches the whole
    of every image.

    Args:
        detector: What finds the faces.
        settings: How to track them.
    """

    def __init__(self, detector: FaceDetector, settings: DetectorSettings) -> None:
        self._detector = detector
        self._settings = settings
        self._tracks: list[FaceTrack] = []
        self._last_number = 0
        self._frames = 0
        self._last_scan = 0
        self._passes = 0
        self._shape = (0, 0)

    def track(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of the next image.

        Args:
            gray: ``(H, W) uint8`` grayscale image at full resolution.

        Returns:
            The faces visible in this image, by track; a face that is missing is left out, and has
            its track again if it comes back within ``max_misses`` frames.
        """
        self._rescale((gray.shape[0], gray.shape[1]))
        if isinstance(self._detector, IncrementalFaceDetector):
            self._redetect(self._detector, gray)
            self._scan(self._detector, gray)
        else:
            self._detect(gray)
        self._tracks = [t for t in self._tracks if t.misses <= self._max_misses(t)]
        self._frames += 1
        return sorted(
            TrackedFace(track.number, _to_box(track.face, self._shape), round(track.face.angle, 1))
            for track in self._tracks
            if track.is_visible and track.number
        )

    def search(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of a picture that has nothing to do with any other.

        All of it is searched, for rolled heads too. A face needs the evidence with which a still
        film of the picture would confirm it. Nothing is remembered.

        Args:
            gray: ``(H, W) uint8`` grayscale image at full resolution.

        Returns:
            Its faces, the largest first, numbered from 1.
        """
        found: list[Detection] = []
        for candidate in self._candidates(gray, found):
            confirmed = FaceTrack(candidate, hits=3, evidence=3 * candidate.evidence).is_confirmed()
            if confirmed and not any(candidate.overlaps(other) for other in found):
                found.append(candidate)
        found.sort(key=lambda face: (-face.side, face.x, face.y))
        shape = (gray.shape[0], gray.shape[1])
        return [
            TrackedFace(number, _to_box(face, shape), round(face.angle, 1))
            for number, face in enumerate(found[: self._settings.max_faces], start=1)
        ]

    def _candidates(
        self, gray: NDArray[np.uint8], known: Sequence[Detection]
    ) -> Iterator[Detection]:
        """All that a full search finds; what is ``known`` meanwhile is not searched again."""
        if not isinstance(self._detector, IncrementalFaceDetector):
            yield from sorted(self._detector.detect(gray), key=lambda one: -one.side)
            return
        for scan_pass in self._detector.scan_passes(upright_only=False):
            candidates = self._detector.detect_pass(gray, scan_pass, known)
            for candidate in sorted(candidates, key=lambda one: -one.side):
                detection = self._detector.redetect(gray, candidate, "confirm")
                if detection:
                    yield detection

    def _max_misses(self, track: "FaceTrack") -> int:
        return self._settings.max_misses if track.number else 0

    def _rescale(self, shape: tuple[int, int]) -> None:
        """Scale the tracks when the image's size changes."""
        if self._tracks and self._shape != shape:
            down, across = shape[0] / self._shape[0], shape[1] / self._shape[1]
            for track in self._tracks:
                x, y, side, *rest = track.face
                track.face = Detection(x * across, y * down, side * math.sqrt(across * down), *rest)
                track.velocity = (0.0, 0.0)
        self._shape = shape

    def _detect(self, gray: NDArray[np.uint8]) -> None:
        """Search the whole image; detections that no track expects continue or begin others."""
        detections = sorted(self._detector.detect(gray), key=lambda one: -one.side)
        predicted = [track.predict() for track in self._tracks]
        claims = [
            (i, detection)
            for i, face in enumerate(predicted)
            for detection in detections
            if detection.overlaps(face)
        ]
        self._assign(claims, predicted)
        for detection in detections:
            self._add(detection)

    def _redetect(self, detector: IncrementalFaceDetector, gray: NDArray[np.uint8]) -> None:
        """Search for every known face near its last place."""
        predicted = [track.predict() for track in self._tracks]
        found = [
            self._redetect_one(detector, gray, track, face)
            for track, face in zip(self._tracks, predicted, strict=True)
        ]
        claims = [
            (i, detection)
            for i, face in enumerate(predicted)
            for j, detection in enumerate(found)
            if detection and (i == j or detection.overlaps(face))
        ]
        self._assign(claims, predicted)

    def _assign(
        self, claims: Sequence[tuple[int, Detection]], predicted: Sequence[Detection]
    ) -> None:
        """Give each detection to one track only, of those that claim it.

        Where two tracks could have a detection, the one whose face was visible has it, and of two
        such tracks the one that expected it there: a face that passes in front of another takes
        no track from it, nor gives its own away.
        """

        def priority(claim: tuple[int, Detection]) -> tuple[int, float, int]:
            i, detection = claim
            return (
                self._tracks[i].misses,
                detection.distance_to(predicted[i]) / predicted[i].side,
                i,
            )

        assigned: dict[int, Detection] = {}
        for i, detection in sorted(claims, key=priority):
            if i not in assigned and not any(detection.overlaps(o) for o in assigned.values()):
                assigned[i] = detection
        for i, track in enumerate(self._tracks):
            self._update(track, assigned.get(i))

    def _update(self, track: "FaceTrack", detection: Detection | None) -> None:
        if detection is None:
            track.miss()
            return
        track.update(detection)
        self._confirm(track)
        if not track.number and track.hits >= _PROBATION:
            track.miss()

    def _redetect_one(
        self,
        detector: IncrementalFaceDetector,
        gray: NDArray[np.uint8],
        track: "FaceTrack",
        predicted: Detection,
    ) -> Detection | None:
        is_due = (self._frames + (track.number or 0)) % _MEASURE_INTERVAL == 0
        effort: SearchEffort = "measure" if is_due or track.is_changing else "fast"
        found = detector.redetect(gray, predicted, effort if track.number else "confirm")
        if found is None and track.number:
            return detector.redetect(gray, predicted, "recover")
        return found

    def _confirm(self, track: "FaceTrack") -> None:
        """Number a track as soon as it is certain to be a face."""
        if track.number is None and track.is_confirmed():
            self._last_number += 1
            track.number = self._last_number

    def _scan(self, detector: IncrementalFaceDetector, gray: NDArray[np.uint8]) -> None:
        """Scan a part of the image if it is time, and all sizes when it is the first image."""
        all_visible = bool(self._tracks) and all(track.is_visible for track in self._tracks)
        interval = self._settings.scan_interval if all_visible else self._settings.search_interval
        if self._frames and self._frames - self._last_scan < interval:
            return
        self._last_scan = self._frames
        # Heads are seldom rolled as they come in
        passes = detector.scan_passes(upright_only=all_visible or not self._frames)
        if self._frames:
            passes = [passes[self._passes % len(passes)]]
        self._passes += len(passes)
        for scan_pass in passes:
            known = [track.face for track in self._tracks if track.is_visible]
            candidates = detector.detect_pass(gray, scan_pass, known)
            for candidate in sorted(candidates, key=lambda one: -one.side):
                detection = detector.redetect(gray, candidate, "confirm")
                if detection:
                    self._add(detection)

    def _add(self, detection: Detection) -> None:
        """Continue the track that misses a new detection, or begin one."""
        if any(t.is_visible and detection.overlaps(t.face) for t in self._tracks):
            return
        missing = [t for t in self._tracks if not t.is_visible and _is_within_reach(detection, t)]
        if missing:
            track = min(missing, key=lambda one: detection.distance_to(one.face))
            track.face, track.velocity, track.misses = detection, (0.0, 0.0), 0
        elif len(self._tracks) < self._settings.max_faces:
            track = FaceTrack(detection, evidence=detection.evidence)
            self._confirm(track)
            self._tracks.append(track)


@dataclass
class FaceTrack:
    """A face over time."""

    face: Detection
    """Where it is, smoothed."""
    number: int | None = None
    """None until it is confirmed."""
    hits: int = 1
    misses: int = 0
    """Frames since it was last visible."""
    evidence: float = 0.0
    """Sum over all its detections."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels per frame."""
    is_changing: bool = True
    """Whether the last measurement of size and roll differed much from the one before."""

    @property
    def is_visible(self) -> bool:
        return self.misses == 0

    def predict(self) -> Detection:
        """Where the face should be in the next frame."""
        x, y = self.face.x + self.velocity[0], self.face.y + self.velocity[1]
        return self.face._replace(x=x, y=y)

    def miss(self) -> None:
        """Count a frame without the face, and extrapolate its motion."""
        self.misses += 1
        self.face = self.predict()
        self.velocity = (0.8 * self.velocity[0], 0.8 * self.velocity[1])

    def update(self, detection: Detection) -> None:
        """Move to a detection: damped for jitter, at once for a movement."""
        before, expected = self.face, self.predict()
        gain = _gain(math.hypot(detection.x - expected.x, detection.y - expected.y) / before.side)
        x = expected.x + gain * (detection.x - expected.x)
        y = expected.y + gain * (detection.y - expected.y)
        growth, turn = detection.side / before.side - 1, detection.angle - before.angle
        self.is_changing = abs(growth) > 0.035 or abs(turn) > 4
        side = before.side * (1 + _gain(abs(growth)) * growth)
        angle = before.angle + _gain(abs(turn) / 40) * max(-12.0, min(12.0, turn))
        self.face = Detection(x, y, side, max(-_MAX_ROLL, min(_MAX_ROLL, angle)), 0.0)
        step = (x - before.x, y - before.y)
        self.velocity = (
            (self.velocity[0] + step[0]) / 2,
            (self.velocity[1] + step[1]) / 2,
        )
        self.misses = 0
        self.hits += 1
        self.evidence += detection.evidence

    def is_confirmed(self) -> bool:
        """Whether this is a face and no false detection."""
        extra = _ROLLED if abs(self.face.angle) > 22 else 0.0
        mean = self.evidence / self.hits
        return mean >= STRONG_EVIDENCE + extra or (self.hits >= 3 and mean >= _FAIR + extra)


def _is_within_reach(detection: Detection, track: FaceTrack) -> bool:
    """Whether a missing face can have come this far: a face's width and 0.2 more a frame."""
    ratio = detection.side / track.face.side
    far = detection.distance_to(track.face) / track.face.side
    return 0.6 < ratio < 1.67 and far < 1 + 0.2 * track.misses


def _to_box(face: Detection, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The face's square in whole pixels, moved rather than cropped where it leaves the image."""
    height, width = shape
    side = max(1, round(face.side))
    across, down = min(side, width), min(side, height)
    left = min(max(0, round(face.x - across / 2)), width - across)
    top = min(max(0, round(face.y - down / 2)), height - down)
    return left, top, across, down


def _gain(change: float) -> float:
    """Part of a change to apply at once: 0.4 for a jitter, all from a tenth of a face on."""
    return min(1.0, max(0.4, change / 0.1))
