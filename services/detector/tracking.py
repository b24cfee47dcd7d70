"""Tracks faces from frame to frame, with few full scans."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.runtime.tracing import TRACE
from affectline.common.settings.detector import DetectorSettings
from affectline.services.detector.detection import (
    Detection,
    FaceDetector,
    IncrementalFaceDetector,
    ScanScope,
    SearchEffort,
    without_repeats,
)
from affectline.services.detector.face_mesh import SURE, FaceMesh, Landmarks
from affectline.services.detector.face_track import FaceTrack

_MEASURE_INTERVAL: Final = 12
"""Frames between measurements of a steady face's size and roll, which cost two near searches, and
between searches for a face that its landmarks follow."""

_LOOK_INTERVAL: Final = 48
"""Frames between searches for the landmarks of a steady face, unless every frame needs them."""

_SOON: Final = 12
"""The same for a face that grows, rolls, or is hardly found by the cascade."""

_WEAK: Final = 6.0
"""Below this evidence of the cascade a head may have rolled (usual: 8 to 14)."""

_IDLE_AFTER: Final = 48
"""Frames without a face after which finding one is less urgent."""

_PROBATION: Final = 5
"""Frames within which a new track must be confirmed."""


class TrackedFace(NamedTuple):
    """A face that is visible in the current frame."""

    track: int
    """Counts from 1 and is never reused."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in pixels of the searched image, inside it; square unless the image
    is smaller than the face."""
    angle: float
    """Roll of the head in degrees, positive counter-clockwise on the screen."""
    face: Detection
    """The same, not rounded, and not moved into the image."""
    landmarks: Landmarks | None = None
    """None if they were not searched for."""


class _Found(NamedTuple):
    """A known face in the next image."""

    detection: Detection
    landmarks: Landmarks | None = None
    """Its landmarks, if they are how it was found."""


class FaceTracker:
    """Finds the faces of successive images and gives each a lasting number.

    It is deterministic: the same images in the same order give the same faces. A detector that can
    search near a known face does so, and scans a part of the image at a time; any other detector
    searches the whole of every image.

    Args:
        detector: Finds the faces.
        settings: How to track them.
        mesh: Finds landmarks, which confirm and frame the faces; None: the detector frames them,
            and its evidence alone confirms them.
        every_frame: Whether all faces get landmarks in every frame, or only new ones to confirm
            them.
        first_frame: How many frames of the stream came before. The part of a scan to do depends on
            a frame's number, so that two trackers of one film soon do the same even if one began
            later (decision 19).
    """

    def __init__(
        self,
        detector: FaceDetector,
        settings: DetectorSettings,
        mesh: FaceMesh | None = None,
        *,
        every_frame: bool = True,
        first_frame: int = 0,
    ) -> None:
        self._detector = detector
        # Asked once: asking whether a class implements a protocol takes longer than a small search
        self._searcher = detector if isinstance(detector, IncrementalFaceDetector) else None
        self._mesh, self._every_frame = mesh, every_frame
        self._settings = settings
        self._tracks: list[FaceTrack] = []
        self._last_number = 0
        self._first = self._frames = self._last_seen = first_frame
        self._shape = (0, 0)
        self._deferred: tuple[IncrementalFaceDetector, NDArray[np.uint8], ScanScope, int] | None = (
            None
        )
        """A scan that is still to be done: the arguments of `_run_scan`."""

    def track(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of the next image.

        Args:
            gray: ``(H, W) uint8`` grayscale image at full resolution.

        Returns:
            The faces visible in this image, by track. A missing face is left out, and gets its
            track back if it returns within ``max_misses`` frames. Faces that appear beside known
            ones are among those of the next image: see `look_around`.
        """
        self.look_around()
        self._rescale((gray.shape[0], gray.shape[1]))
        if self._searcher is not None:
            self._redetect(self._searcher, gray)
            self._scan(self._searcher, gray)
        else:
            self._detect(gray)
        self._tracks = [t for t in self._tracks if t.misses <= self._max_misses(t)]
        if self._tracks:
            self._last_seen = self._frames
        self._frames += 1
        seen = [track for track in self._tracks if track.is_visible and track.number]
        return [
            _describe(track.number or 0, track.face, track.landmarks, self._shape)
            for track in sorted(seen, key=lambda track: track.number or 0)
        ]

    def look_around(self) -> None:
        """Do the scan that the last image left for later, if it did.

        While all known faces are visible, nothing waits for a scan: it may be done when the last
        image has been answered. Otherwise `track` does it before the next image.
        """
        if self._deferred is not None:
            scan, self._deferred = self._deferred, None
            self._run_scan(*scan)

    @property
    def last_number(self) -> int:
        """The highest number given to a track; 0 before the first."""
        return self._last_number

    @property
    def numbers(self) -> list[int]:
        """The tracks that have not ended, visible or not."""
        return [track.number for track in self._tracks if track.number]

    def search(self, gray: NDArray[np.uint8]) -> list[TrackedFace]:
        """Find the faces of a single picture, unrelated to any other.

        All of it is searched, also for rolled heads. A face needs the evidence that would confirm
        it in a still film of the picture. Nothing is remembered.

        Args:
            gray: ``(H, W) uint8`` grayscale image at full resolution.

        Returns:
            Its faces, the largest first, numbered from 1.
        """
        found = []
        for face in without_repeats(self._detector.detect(gray)):
            track = FaceTrack.begin(face, self._find_landmarks(gray, face))
            track.hits, track.evidence = 3, 3 * track.evidence
            if track.is_confirmed():
                found.append(track)
        found.sort(key=lambda track: (-track.face.side, track.face.x, track.face.y))
        shape = (gray.shape[0], gray.shape[1])
        return [
            _describe(number, track.face, track.landmarks, shape)
            for number, track in enumerate(found[: self._settings.max_faces], start=1)
        ]

    def _max_misses(self, track: FaceTrack) -> int:
        return self._settings.max_misses if track.number else 0

    def _rescale(self, shape: tuple[int, int]) -> None:
        """Scale the tracks when the image's size changes."""
        if self._tracks and self._shape != shape:
            down, across = shape[0] / self._shape[0], shape[1] / self._shape[1]
            for track in self._tracks:
                x, y, side = track.face.x * across, track.face.y * down, track.face.side
                track.face = track.face._replace(x=x, y=y, side=side * math.sqrt(across * down))
                track.velocity = (0.0, 0.0)
        self._shape = shape

    def _detect(self, gray: NDArray[np.uint8]) -> None:
        """Search the whole image; a detection that no track expects continues or begins one."""
        detections = sorted(self._detector.detect(gray), key=lambda one: -one.side)
        predicted = [track.predict() for track in self._tracks]
        claims = [
            (i, _Found(detection))
            for i, face in enumerate(predicted)
            for detection in detections
            if detection.overlaps(face)
        ]
        self._assign(gray, claims, predicted)
        for detection in detections:
            self._add(gray, detection)

    def _redetect(self, detector: IncrementalFaceDetector, gray: NDArray[np.uint8]) -> None:
        """Search for every known face near its last place."""
        predicted = [track.predict() for track in self._tracks]
        found = [
            self._follow(gray, track, place) or self._redetect_one(detector, gray, track, place)
            for place, track in enumerate(self._tracks, start=1)
        ]
        claims = [
            (i, one)
            for i, face in enumerate(predicted)
            for j, one in enumerate(found)
            if one and (i == j or one.detection.overlaps(face))
        ]
        self._assign(gray, claims, predicted)

    def _assign(
        self,
        gray: NDArray[np.uint8],
        claims: Sequence[tuple[int, "_Found"]],
        predicted: Sequence[Detection],
    ) -> None:
        """Assign each detection to one of the tracks that claim it.

        If two tracks claim a detection, the one with a visible face gets it; of two visible ones,
        the one that expected it nearest. So a face that passes in front of another neither takes
        that face's track nor loses its own.
        """

        def priority(claim: tuple[int, _Found]) -> tuple[int, float, int]:
            i, (detection, _) = claim
            return (
                self._tracks[i].misses,
                detection.distance_to(predicted[i]) / predicted[i].side,
                i,
            )

        assigned: dict[int, _Found] = {}
        for i, one in sorted(claims, key=priority):
            others = [other.detection for other in assigned.values()]
            if i not in assigned and not any(map(one.detection.overlaps, others)):
                assigned[i] = one
        for i, track in enumerate(self._tracks):
            self._update(gray, track, assigned.get(i))

    def _update(self, gray: NDArray[np.uint8], track: FaceTrack, found: "_Found | None") -> None:
        if found is None:
            track.miss()
            return
        detection = found.detection
        landmarks = found.landmarks or self._find_landmarks(gray, detection, track)
        if self._is_doubtful(track, detection, landmarks):
            track.miss()
            return
        track.update(detection, landmarks)
        self._confirm(track)
        if not track.number and track.hits >= _PROBATION:
            track.miss()

    def _follow(self, gray: NDArray[np.uint8], track: FaceTrack, place: int) -> "_Found | None":
        """Find a face by its landmarks alone, as MediaPipe's pipelines do.

        None if its last landmarks were not sure, if these are not, or if a search is due.
        """
        may_follow = self._every_frame and track.number and track.is_visible and track.is_sure
        if self._mesh is None or not may_follow or self._is_due(place):
            return None
        landmarks = self._mesh.find(gray, track.expect(track.predict_detection()))
        detection = track.detection_of(landmarks)
        return detection and _Found(detection, landmarks)

    def _redetect_one(
        self,
        detector: IncrementalFaceDetector,
        gray: NDArray[np.uint8],
        track: FaceTrack,
        place: int,
    ) -> "_Found | None":
        expected = track.predict_detection()
        found = detector.redetect(gray, expected, self._effort(track, place))
        if found is None and track.number:
            found = detector.redetect(gray, expected, "recover")
        return found and _Found(found)

    def _is_due(self, place: int) -> bool:
        """Whether it is the turn of the face at this place of the list to be searched for."""
        return (self._frames + place) % _MEASURE_INTERVAL == 0

    def _effort(self, track: FaceTrack, place: int) -> SearchEffort:
        """How closely to search for a known face: what landmarks give need not be measured."""
        if not track.number:
            return "confirm"
        is_due = self._is_due(place)
        is_asked_again = track.face.view == "any" and is_due
        if track.framing and not is_asked_again:
            return "place" if self._every_frame else "fast"
        return "measure" if track.is_changing or is_due else "fast"

    def _is_doubtful(
        self, track: FaceTrack, detection: Detection, landmarks: Landmarks | None
    ) -> bool:
        """Whether only a network finds the face, and landmarks have been missing for too long."""
        if landmarks is None:
            return False
        if landmarks.score >= SURE or detection.view == "frontal":
            track.unsure = 0
            return False
        track.unsure += 1
        patience = self._settings.max_misses if self._every_frame else 1
        return not track.is_visible or track.unsure > patience

    def _find_landmarks(
        self, gray: NDArray[np.uint8], detection: Detection, track: FaceTrack | None = None
    ) -> Landmarks | None:
        if self._mesh is None:
            return None
        if track and track.number and not self._every_frame:
            is_weak = detection.view == "frontal" and detection.evidence < _WEAK
            is_other_view = detection.view != track.face.view  # framed slightly differently
            since = track.hits - track.framed_at
            is_soon = since >= _SOON and (is_weak or track.is_changing)
            if not (since >= _LOOK_INTERVAL or is_other_view or is_soon):
                return None
        return self._mesh.find(gray, track.expect(detection) if track else detection)

    def _confirm(self, track: FaceTrack) -> None:
        """Number a track as soon as it is confirmed to be a face."""
        if track.number is None and track.is_confirmed():
            self._last_number += 1
            track.number = self._last_number

    def _scan(self, detector: IncrementalFaceDetector, gray: NDArray[np.uint8]) -> None:
        """Scan a part of the image when it is due, and all sizes in the first image."""
        scope = self._scope()
        steady = scope == "steady"
        interval = self._settings.scan_interval if steady else self._settings.search_interval
        if scope not in ("first", "lost") and self._frames % interval:
            return
        turn = self._frames // interval + 1  # the first image used two
        if steady:
            self._deferred = detector, gray, scope, turn
        else:
            self._run_scan(detector, gray, scope, turn)

    def _run_scan(
        self,
        detector: IncrementalFaceDetector,
        gray: NDArray[np.uint8],
        scope: ScanScope,
        turn: int,
    ) -> None:
        known = [track.face for track in self._tracks if track.is_visible]
        with TRACE.span("scan", kind=scope):
            found = detector.scan(gray, known, scope, turn)
        for detection in found:
            self._add(gray, detection)

    def _scope(self) -> ScanScope:
        """The purpose of a scan of this image."""
        if self._frames == self._first:
            return "first"
        visible = [track for track in self._tracks if track.is_visible]
        if visible and len(visible) == len(self._tracks):
            return "steady"
        if not visible and any(track.number and track.misses == 1 for track in self._tracks):
            return "lost"
        if not self._tracks and self._frames - self._last_seen > _IDLE_AFTER:
            return "idle"
        return "searching"

    def _add(self, gray: NDArray[np.uint8], detection: Detection) -> None:
        """Continue a track that has lost this face, or begin a new one."""
        if any(t.is_visible and detection.overlaps(t.face) for t in self._tracks):
            return
        landmarks = self._find_landmarks(gray, detection)
        track = FaceTrack.begin(detection, landmarks, every_frame=self._every_frame)
        if not track.may_be_face:
            return
        missing = [t for t in self._tracks if not t.is_visible and t.is_within_reach(track.face)]
        if missing:
            min(missing, key=lambda one: track.face.distance_to(one.face)).continue_with(track)
        elif len(self._tracks) < self._settings.max_faces:
            self._confirm(track)
            self._tracks.append(track)


def _describe(
    number: int, face: Detection, landmarks: Landmarks | None, shape: Sequence[int]
) -> TrackedFace:
    return TrackedFace(number, _to_box(face, shape), round(face.angle, 1), face, landmarks)


def _to_box(face: Detection, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The face's square in whole pixels, moved instead of cropped if it leaves the image."""
    height, width = shape
    side = max(1, round(face.side))
    across, down = min(side, width), min(side, height)
    left = min(max(0, round(face.x - across / 2)), width - across)
    top = min(max(0, round(face.y - down / 2)), height - down)
    return left, top, across, down
