"""What faces show besides emotion, from their landmarks: the `FaceSigns` of each face."""

from collections.abc import Container, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import load_canonical_face
from affectline.common.wire.face_signs import DOUBTS, Doubt, EyesUnknown, FaceSigns
from affectline.common.wire.messages import Quality
from affectline.services.detector.cover_detector import COVERED, STILL_COVERED, CoverDetector
from affectline.services.detector.doubts import (
    COVERED_SCORE,
    doubt_crop,
    is_turned_away,
)
from affectline.services.detector.eye_signs import (
    FARTHEST_YAW,
    TOO_DARK,
    TOO_NARROW_PX,
    EyeSigns,
    EyeState,
    name_gaze,
    to_gaze,
)
from affectline.services.detector.eyes import EyePlace, EyeReader, EyeTurns
from affectline.services.detector.face_mesh import Landmarks
from affectline.services.detector.head_pose import HeadPose, HeadPoseEstimator
from affectline.services.detector.mouth import MouthReader, SpeechDetector

_COVER_INTERVAL_NS: Final = 200_000_000
"""Hands stay in front of a face for longer than this."""

_FORGOTTEN_NS: Final = 60_000_000_000
"""A track that has not been seen for this long starts over if it returns."""


class _Person:
    """What is remembered about a track."""

    def __init__(self) -> None:
        self.eyes = EyeState()
        self.speech = SpeechDetector()
        self.seen = 0
        self.is_covered = False
        self.cover_at: int | None = None
        self.turns: EyeTurns | None = None


class SignsReader:
    """Reads the signs of heads, eyes and mouths.

    It remembers each track, in event time: the same frames give the same signs.

    Args:
        pose: Whether to report head pose.
        eyes: Whether to read the eyes, which takes most of the time.
        eye_reader: Reads the eyes; None: a new one.

    Raises:
        AffectlineError: A file that it needs is missing or damaged.
    """

    def __init__(
        self, *, pose: bool = True, eyes: bool = True, eye_reader: EyeReader | None = None
    ) -> None:
        face = load_canonical_face()
        self._tells_pose = pose
        self._pose = HeadPoseEstimator(face)
        self._eyes = (eye_reader or EyeReader(face=face)) if eyes else None
        self._mouth = MouthReader(face)
        self._cover = CoverDetector()
        self._people: dict[int, _Person] = {}

    def read(
        self,
        gray: NDArray[np.uint8],
        landmarks: Landmarks | None,
        quality: Quality,
        *,
        track: int = 0,
        at: int | None = None,
    ) -> FaceSigns:
        """Read a face.

        Args:
            gray: The frame, ``(H, W) uint8``.
            landmarks: Landmarks of the face, in pixels of the frame; None: not searched for.
            quality: Measures of its image quality.
            track: Number of its track.
            at: Time of the frame in nanoseconds on the session's time line; None: a single picture,
                for which nothing is known before and nothing is remembered.
        """
        doubts = set(doubt_crop(quality))
        if landmarks is None:
            return FaceSigns(doubts=_in_order(doubts))
        if landmarks.score < COVERED_SCORE:
            return self._describe_covered(landmarks, track, at, doubts)
        pose = self._pose.estimate(landmarks.points)
        person = self._remember(track, at)
        mouth = self._mouth.read(landmarks.points, pose)
        if at is not None and person.speech.add(at, *mouth):
            doubts.add("speaking")
        if pose is None or is_turned_away(pose):
            doubts.add("turned_away")
        elif self._is_covered(gray, landmarks, person, at):
            doubts.add("covered")
        eyes = EyeSigns()
        if self._eyes is not None:
            eyes = self._read_eyes(self._eyes, gray, landmarks, pose, quality, person, at)
        doubts.update(_doubt_eyes(eyes))
        return FaceSigns(
            **_pose_fields(pose if self._tells_pose else None),
            **_eye_fields(eyes),
            mouth_opening=mouth.opening,
            mesh_score=landmarks.score,
            doubts=_in_order(doubts),
        )

    def end_frame(self, at: int) -> None:
        """Note whose eyes were not seen in a frame: what they did meanwhile is unknown.

        Args:
            at: Time of the frame; all its faces have been read.
        """
        for person in self._people.values():
            if person.seen != at:
                person.eyes.miss(at)

    def forget(self, known: Container[int]) -> None:
        """Forget the tracks that have ended.

        Args:
            known: The tracks that have not ended.
        """
        for track in [track for track in self._people if track not in known]:
            del self._people[track]

    def _remember(self, track: int, at: int | None) -> _Person:
        """What is known about a track."""
        if at is None:
            return _Person()
        person = self._people.get(track)
        if person is None or not 0 <= at - person.seen <= _FORGOTTEN_NS:
            person = self._people[track] = _Person()
        person.seen = at
        return person

    def _is_covered(
        self, gray: NDArray[np.uint8], landmarks: Landmarks, person: _Person, at: int | None
    ) -> bool:
        """Whether a hand or the like covers a part of the face; checked five times a second."""
        since = None if at is None or person.cover_at is None else at - person.cover_at
        if since is None or not 0 <= since < _COVER_INTERVAL_NS:
            least = STILL_COVERED if person.is_covered else COVERED
            person.is_covered = self._cover.score(gray, landmarks.points) >= least
            person.cover_at = at
        return person.is_covered

    def _read_eyes(
        self,
        reader: EyeReader,
        gray: NDArray[np.uint8],
        landmarks: Landmarks,
        pose: HeadPose | None,
        quality: Quality,
        person: _Person,
        at: int | None,
    ) -> EyeSigns:
        """The signs of a person's eyes in a frame; of a single picture, only their gaze.

        Eyes that cannot be seen are not read, which saves most of the time.
        """
        places = reader.locate(landmarks.points, pose)
        unseen = _why_unseen(places, pose, quality)
        if unseen is not None:
            return EyeSigns(unknown=unseen) if at is None else person.eyes.skip(at, unseen)
        if at is None:
            return EyeSigns(unknown="learning", gaze=to_gaze(reader.read(gray, places)))
        person.turns = person.turns or EyeTurns(reader)
        return person.eyes.add(at, person.turns.read(gray, places, at), pose)

    def _describe_covered(
        self, landmarks: Landmarks, track: int, at: int | None, doubts: set[Doubt]
    ) -> FaceSigns:
        """The signs of a face that is covered too much for any other sign."""
        eyes = EyeSigns()
        if self._eyes is not None:
            person = self._remember(track, at)
            eyes = EyeSigns(unknown="covered") if at is None else person.eyes.skip(at, "covered")
        return FaceSigns(
            **_eye_fields(eyes),
            mesh_score=landmarks.score,
            doubts=_in_order({*doubts, "covered"}),
        )


def _why_unseen(
    places: tuple[EyePlace, EyePlace], pose: HeadPose | None, quality: Quality
) -> EyesUnknown | None:
    """Why the image does not show whether the eyes are open or shut; None if it does."""
    is_visible = any(place.is_visible for place in places)
    if pose is None or not is_visible or abs(pose.yaw) > FARTHEST_YAW:
        return "turned_away"
    if quality.brightness < TOO_DARK:
        return "dark"
    if max(place.width for place in places) < TOO_NARROW_PX:
        return "too_small"
    return None


def _doubt_eyes(eyes: EyeSigns) -> Iterator[Doubt]:
    if eyes.is_shut:
        yield "eyes_shut"
    if eyes.unknown == "covered":
        yield "covered"


def _pose_fields(pose: HeadPose | None) -> dict[str, float]:
    return {} if pose is None else pose._asdict()


def _eye_fields(eyes: EyeSigns) -> dict[str, object]:
    perclos = eyes.perclos
    across, up = eyes.gaze or (None, None)
    return {
        "eye_opening_left": eyes.left,
        "eye_opening_right": eyes.right,
        "eyes_unknown": eyes.unknown,
        "blink": eyes.blink,
        "perclos": perclos.share if perclos else None,
        "perclos_known_s": perclos.known_s if perclos else None,
        "gaze_x": across,
        "gaze_y": up,
        "gaze": name_gaze(across, up) if across is not None and up is not None else None,
    }


def _in_order(doubts: set[Doubt]) -> tuple[Doubt, ...]:
    return tuple(doubt for doubt in DOUBTS if doubt in doubts)
