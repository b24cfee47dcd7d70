"""One face over time: where it is, whether it is a face, and how its landmarks frame it."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from affectline.services.detector.detection import STRONG_EVIDENCE, Detection
from affectline.services.detector.face_mesh import SURE, Landmarks, frame_by_landmarks
from affectline.services.detector.face_networks import CLEAR

_FAIR: Final = 9.0
"""Mean evidence with which three detections in a row confirm a face."""

_ROLLED: Final = 4.0
"""Additional evidence needed for a face that was found rolled: more angles, more errors."""

_MAX_ROLL: Final = 40.0
"""Degrees. Heads roll no farther, and a search beyond that could end up with the face sideways."""

_LIKE: Final = 1.67
"""Factor by which the size of a face may change before it counts as another face."""

_PLAIN: Final = 0.9
"""Score of landmarks that confirms a face at once: 95 % of FER2013's training faces exceed it."""

_ASTRAY: Final = 0.45
"""How far landmarks may be from the detection of their face, in sides of the face."""

_GRID: Final = 64
"""Steps per side, approximately, of the grid on which a face and its landmarks are searched for.
A shift by half a step changes nothing that matters. So a result does not depend on the last bits of
the one before, and trackers that began at different frames converge (decision 19)."""

_GRID_ANGLE: Final = 0.5
"""The same for the roll, in degrees. It moves the edge of the square by half a step."""

_STILL: Final = 0.05
"""A smaller move, in sides of a face, is beyond what a detector can measure."""


class _Framing(NamedTuple):
    """How landmarks frame a face, relative to a detection of it."""

    across: float = 0.0
    down: float = 0.0
    """Offset between the centres, in sides of the framed face."""
    growth: float = 1.0
    turn: float = 0.0
    """In degrees."""

    @classmethod
    def between(cls, detection: Detection, framed: Detection) -> "_Framing":
        """The framing that turns the detection into the framed face."""
        across = (framed.x - detection.x) / framed.side
        down = (framed.y - detection.y) / framed.side
        return cls(across, down, framed.side / detection.side, framed.angle - detection.angle)

    def apply(self, detection: Detection) -> Detection:
        """Frame a detection."""
        side = detection.side * self.growth
        x, y = detection.x + self.across * side, detection.y + self.down * side
        return detection._replace(x=x, y=y, side=side, angle=detection.angle + self.turn)

    def undo(self, framed: Detection) -> Detection:
        """The detection that this framing turns into ``framed``."""
        x, y = framed.x - self.across * framed.side, framed.y - self.down * framed.side
        side, angle = framed.side / self.growth, framed.angle - self.turn
        return framed._replace(x=x, y=y, side=side, angle=angle)


@dataclass
class FaceTrack:
    """A face over time."""

    face: Detection
    """Its place, smoothed."""
    number: int | None = None
    """None until it is confirmed."""
    hits: int = 1
    misses: int = 0
    """Frames since it was last visible."""
    evidence: float = 0.0
    """Sum of the evidence of all its detections."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels per frame."""
    is_changing: bool = True
    """Whether the last measurement of size and roll differed much from the one before."""
    framing: _Framing | None = None
    """Framing by its landmarks at the last search for them; None if their score was too low."""
    framed_at: int = 1
    """The number of ``hits`` at the last search for landmarks."""
    sure_hits: int = 0
    """Images in which its landmarks were those of a face."""
    unsure: int = 0
    """Frames in a row in which a network found it, but no landmarks of a face."""
    landmarks: Landmarks | None = None
    """Landmarks in the last image in which it was visible; None if they were not searched for."""
    every_frame: bool = False
    """Whether landmarks are searched for in every frame."""

    @classmethod
    def begin(
        cls, detection: Detection, landmarks: Landmarks | None, *, every_frame: bool = False
    ) -> "FaceTrack":
        """A track of a face that was detected for the first time."""
        track = cls(
            detection,
            evidence=detection.evidence,
            landmarks=landmarks,
            every_frame=every_frame,
        )
        framed = _frame(detection, landmarks)
        if framed:
            track.face, track.framing = framed, _Framing.between(detection, framed)
            track.is_changing = False
        track.sure_hits = int(track.is_sure)
        return track

    @property
    def is_visible(self) -> bool:
        return self.misses == 0

    @property
    def is_sure(self) -> bool:
        """Whether its latest landmarks are those of a face."""
        return self.landmarks is not None and self.landmarks.score >= SURE

    @property
    def may_be_face(self) -> bool:
        """Whether it may start a track: a face found only by a network needs its landmarks."""
        return self.is_sure or self.face.view == "frontal"

    @property
    def _is_plain(self) -> bool:
        """Whether one detection confirms it: neither its landmarks nor the network are in doubt."""
        is_clear = self.face.view == "frontal" or self.evidence >= CLEAR * self.hits
        return self.landmarks is not None and self.landmarks.score >= _PLAIN and is_clear

    def predict(self) -> Detection:
        """The expected place of the face in the next frame."""
        x, y = self.face.x + self.velocity[0], self.face.y + self.velocity[1]
        return self.face._replace(x=x, y=y)

    def predict_detection(self) -> Detection:
        """The detection that is expected in the next frame."""
        expected = self.predict()
        return self._on_grid(self.framing.undo(expected) if self.framing else expected)

    def expect(self, detection: Detection) -> Detection:
        """The detected face, framed as by its last landmarks."""
        if self.framing is None:
            return self._on_grid(detection)
        framed = self.framing.apply(detection)
        is_where_it_was = framed.distance_to(self.face) < _STILL * self.face.side
        return self._on_grid(self.face if is_where_it_was else framed)

    def detection_of(self, landmarks: Landmarks) -> Detection | None:
        """The detection that belongs to the face's landmarks in the next frame.

        None if their score is low, they are another face's, or nothing relates the two yet.
        """
        framed = _frame(self.predict(), landmarks)
        if framed is None or self.framing is None:
            return None
        return self.framing.undo(framed)._replace(view=self.face.view)

    def _on_grid(self, face: Detection) -> Detection:
        """Where to search for a face: on the grid, except before its track is confirmed."""
        return on_grid(face) if self.every_frame and self.number else face

    def miss(self) -> None:
        """Count a frame without the face, and extrapolate its motion."""
        self.misses += 1
        self.face = self.predict()
        self.velocity = (0.8 * self.velocity[0], 0.8 * self.velocity[1])

    def continue_with(self, found: "FaceTrack") -> None:
        """Continue with a face that was found again."""
        self.face, self.landmarks, self.framing = found.face, found.landmarks, found.framing
        self.velocity, self.misses = (0.0, 0.0), 0

    def update(self, detection: Detection, landmarks: Landmarks | None = None) -> None:
        """Move to a detection, framed by its landmarks if their score is high enough.

        Args:
            detection: The new detection; its jitter is damped, but movements are followed at once.
            landmarks: Landmarks in this image; they do not jitter. None if they were not searched
                for: the detection is then framed as by the last ones.
        """
        before = self.face
        framed = _frame(detection, landmarks)
        if landmarks is not None:
            self.framing = self._relate(detection, framed) if framed else None
        seen = self.framing.apply(detection) if self.framing else detection
        face = framed or self._damp(seen)
        growth, turn = seen.side / before.side - 1, seen.angle - before.angle
        self.is_changing = abs(growth) > 0.035 or abs(turn) > 4
        step = (face.x - before.x, face.y - before.y)
        self.velocity = (
            (self.velocity[0] + step[0]) / 2,
            (self.velocity[1] + step[1]) / 2,
        )
        self.face, self.landmarks = face._replace(evidence=0.0), landmarks
        self.misses = 0
        self.hits += 1
        if landmarks is not None:
            self.framed_at = self.hits
        self.sure_hits += self.is_sure
        self.evidence += detection.evidence

    def _relate(self, detection: Detection, framed: Detection) -> _Framing:
        """How landmarks frame a detection whose size and roll may not have been measured.

        Then these are the expected ones, and the next search must turn as the face does in this
        frame. If landmarks give size and roll in every frame, the search follows them, and nothing
        of older frames is kept.
        """
        found = _Framing.between(detection, framed)
        if self.framing is None or detection.angle != self.predict_detection().angle:
            return found
        if self.every_frame:
            return found._replace(growth=1.0, turn=0.0)
        return found._replace(turn=self.framing.turn)

    def _damp(self, seen: Detection) -> Detection:
        """A face between its expected and its detected place."""
        before, expected = self.face, self.predict()
        gain = _gain(math.hypot(seen.x - expected.x, seen.y - expected.y) / before.side)
        x = expected.x + gain * (seen.x - expected.x)
        y = expected.y + gain * (seen.y - expected.y)
        growth, turn = seen.side / before.side - 1, seen.angle - before.angle
        side = before.side * (1 + _gain(abs(growth)) * growth)
        angle = before.angle + _gain(abs(turn) / 40) * max(-12.0, min(12.0, turn))
        angle = max(-_MAX_ROLL, min(_MAX_ROLL, angle))
        return Detection(x, y, side, angle, 0.0, seen.view)

    def is_within_reach(self, detection: Detection) -> bool:
        """Whether it can have moved there while missing: by its width, plus 0.2 a frame."""
        ratio = detection.side / self.face.side
        far = detection.distance_to(self.face) / self.face.side
        return 1 / _LIKE < ratio < _LIKE and far < 1 + 0.2 * self.misses

    def is_confirmed(self) -> bool:
        """Whether this is a face rather than a false detection."""
        if self.is_sure and (self.sure_hits >= 2 or self._is_plain):
            return True
        if self.face.view == "any":
            return False
        extra = _ROLLED if abs(self.face.angle) > 22 else 0.0
        mean = self.evidence / self.hits
        return mean >= STRONG_EVIDENCE + extra or (self.hits >= 3 and mean >= _FAIR + extra)


def _frame(detection: Detection, landmarks: Landmarks | None) -> Detection | None:
    """The face as its landmarks frame it; None if their score is low or they are another face's."""
    if landmarks is None or landmarks.score < SURE:
        return None
    framed = frame_by_landmarks(landmarks.points)
    if framed.distance_to(detection) > _ASTRAY * detection.side:
        return None
    if not 1 / _LIKE < framed.side / detection.side < _LIKE or abs(framed.angle) > _MAX_ROLL:
        return None
    return framed._replace(view=detection.view)


def on_grid(face: Detection) -> Detection:
    """The face at the nearest place, size and roll of a grid that depends on its size."""
    step = 2.0 ** round(math.log2(max(face.side, 1.0))) / _GRID
    x, y, side = (round(value / step) * step for value in (face.x, face.y, face.side))
    angle = round(face.angle / _GRID_ANGLE) * _GRID_ANGLE
    return face._replace(x=x, y=y, side=side, angle=angle)


def _gain(change: float) -> float:
    """Share of a change to apply at once: 0.4 for jitter, all of it from a tenth of a face on."""
    return min(1.0, max(0.4, change / 0.1))
