"""One face over time: where it is, whether it is one, and how its landmarks frame it."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from affectline.services.detector.detection import STRONG_EVIDENCE, Detection
from affectline.services.detector.face_mesh import SURE, Landmarks, frame_by_landmarks
from affectline.services.detector.face_networks import CLEAR

_FAIR: Final = 9.0
"""Mean evidence with which three detections in a row confirm a face."""

_ROLLED: Final = 4.0
"""Additional evidence for a face that was found rolled: more directions, more errors."""

_MAX_ROLL: Final = 40.0
"""Degrees. Heads roll no farther, and a search would end up on its side."""

_LIKE: Final = 1.67
"""Factor by which the size of a face may change until it is another one."""

_PLAIN: Final = 0.9
"""Score of landmarks with which one look is enough: 95 % of FER2013's training faces have more."""

_ASTRAY: Final = 0.45
"""Sides of a face by which its landmarks may lie beside where it was detected."""

_GRID: Final = 64
"""A face is searched for, and its landmarks are, on a grid of so many steps to its side (more or
less), where a shift by half a step changes nothing that matters. So what is found does not depend
on the last bits of what was found before, and trackers that began apart come together
(decision 19)."""

_GRID_ANGLE: Final = 0.5
"""Degrees: the same of the roll. It moves the rim of the square by half a step."""

_STILL: Final = 0.05
"""Sides of a face within which it has not moved, for all that a detector can tell."""


class _Framing(NamedTuple):
    """How landmarks frame a face, relative to a detection of it."""

    across: float = 0.0
    down: float = 0.0
    """From centre to centre, in sides of the framed face."""
    growth: float = 1.0
    turn: float = 0.0
    """In degrees."""

    @classmethod
    def between(cls, detection: Detection, framed: Detection) -> "_Framing":
        """What makes the framed face of the detection."""
        across = (framed.x - detection.x) / framed.side
        down = (framed.y - detection.y) / framed.side
        return cls(across, down, framed.side / detection.side, framed.angle - detection.angle)

    def apply(self, detection: Detection) -> Detection:
        """Frame a detection."""
        side = detection.side * self.growth
        x, y = detection.x + self.across * side, detection.y + self.down * side
        return detection._replace(x=x, y=y, side=side, angle=detection.angle + self.turn)

    def undo(self, framed: Detection) -> Detection:
        """The detection that is framed so."""
        x, y = framed.x - self.across * framed.side, framed.y - self.down * framed.side
        side, angle = framed.side / self.growth, framed.angle - self.turn
        return framed._replace(x=x, y=y, side=side, angle=angle)


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
    framing: _Framing | None = None
    """By its landmarks, when these were last looked for; None where they were not sure."""
    framed_at: int = 1
    """The number of ``hits`` when landmarks were last looked for."""
    sure_hits: int = 0
    """Images in which its landmarks were those of a face."""
    unsure: int = 0
    """Frames in a row in which a network saw it, but no landmarks of a face."""
    landmarks: Landmarks | None = None
    """Of the last image in which it was visible; None where nobody looked for them."""
    every_frame: bool = False
    """Whether landmarks are looked for in every frame."""

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
        """Whether its last landmarks are those of a face."""
        return self.landmarks is not None and self.landmarks.score >= SURE

    @property
    def may_be_face(self) -> bool:
        """Whether it is worth a track: what a network alone has found needs its landmarks."""
        return self.is_sure or self.face.view == "frontal"

    @property
    def _is_plain(self) -> bool:
        """Whether one look is enough: neither its landmarks nor the network are in doubt."""
        is_clear = self.face.view == "frontal" or self.evidence >= CLEAR * self.hits
        return self.landmarks is not None and self.landmarks.score >= _PLAIN and is_clear

    def predict(self) -> Detection:
        """Where the face should be in the next frame."""
        x, y = self.face.x + self.velocity[0], self.face.y + self.velocity[1]
        return self.face._replace(x=x, y=y)

    def predict_detection(self) -> Detection:
        """Where and how the detector should find it there."""
        expected = self.predict()
        return self._on_grid(self.framing.undo(expected) if self.framing else expected)

    def expect(self, detection: Detection) -> Detection:
        """The face that was detected, as its last landmarks framed it."""
        if self.framing is None:
            return self._on_grid(detection)
        framed = self.framing.apply(detection)
        is_where_it_was = framed.distance_to(self.face) < _STILL * self.face.side
        return self._on_grid(self.face if is_where_it_was else framed)

    def _on_grid(self, face: Detection) -> Detection:
        """Where to look for a face; while it is no track yet every bit of evidence counts."""
        return on_grid(face) if self.every_frame and self.number else face

    def miss(self) -> None:
        """Count a frame without the face, and extrapolate its motion."""
        self.misses += 1
        self.face = self.predict()
        self.velocity = (0.8 * self.velocity[0], 0.8 * self.velocity[1])

    def continue_with(self, found: "FaceTrack") -> None:
        """Go on where the face was found again."""
        self.face, self.landmarks, self.framing = found.face, found.landmarks, found.framing
        self.velocity, self.misses = (0.0, 0.0), 0

    def update(self, detection: Detection, landmarks: Landmarks | None = None) -> None:
        """Move to a detection, framed by its landmarks where they are sure.

        Args:
            detection: Its jitter is damped, a movement followed at once.
            landmarks: Of this image; they do not jitter. None where nobody looked for them: it is
                framed relative to the detection as by the last ones.
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
        """How landmarks frame a detection, which need not have measured its size and roll.

        Where it has not, it is as it was expected: as the face in this frame turns, so must the
        search in the next one. Where landmarks tell size and roll in every frame, it is searched
        for as they do, and nothing of older frames is kept.
        """
        found = _Framing.between(detection, framed)
        if self.framing is None or detection.angle != self.predict_detection().angle:
            return found
        if self.every_frame:
            return found._replace(growth=1.0, turn=0.0)
        return found._replace(turn=self.framing.turn)

    def _damp(self, seen: Detection) -> Detection:
        """A face between where it is expected and where it is seen."""
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
        """Whether it can have come so far while it was missing: its width, and 0.2 more a frame."""
        ratio = detection.side / self.face.side
        far = detection.distance_to(self.face) / self.face.side
        return 1 / _LIKE < ratio < _LIKE and far < 1 + 0.2 * self.misses

    def is_confirmed(self) -> bool:
        """Whether this is a face and no false detection."""
        if self.is_sure and (self.sure_hits >= 2 or self._is_plain):
            return True
        if self.face.view == "any":
            return False
        extra = _ROLLED if abs(self.face.angle) > 22 else 0.0
        mean = self.evidence / self.hits
        return mean >= STRONG_EVIDENCE + extra or (self.hits >= 3 and mean >= _FAIR + extra)


def _frame(detection: Detection, landmarks: Landmarks | None) -> Detection | None:
    """The face as its landmarks frame it; None where there are none that are sure, or another's."""
    if landmarks is None or landmarks.score < SURE:
        return None
    framed = frame_by_landmarks(landmarks.points)
    if framed.distance_to(detection) > _ASTRAY * detection.side:
        return None
    if not 1 / _LIKE < framed.side / detection.side < _LIKE or abs(framed.angle) > _MAX_ROLL:
        return None
    return framed._replace(view=detection.view)


def on_grid(face: Detection) -> Detection:
    """The same face at the nearest place, size and roll of a grid that goes by its size."""
    step = 2.0 ** round(math.log2(max(face.side, 1.0))) / _GRID
    x, y, side = (round(value / step) * step for value in (face.x, face.y, face.side))
    angle = round(face.angle / _GRID_ANGLE) * _GRID_ANGLE
    return face._replace(x=x, y=y, side=side, angle=angle)


def _gain(change: float) -> float:
    """Part of a change to apply at once: 0.4 for a jitter, all from a tenth of a face on."""
    return min(1.0, max(0.4, change / 0.1))
