"""The eyes of one person over time: opening, blinks, PERCLOS and gaze, or why they are unknown."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from affectline.common.wire.face_signs import Blink, EyesUnknown, Gaze
from affectline.services.detector.blink_detector import BlinkDetector
from affectline.services.detector.eyes import Eye, Eyes
from affectline.services.detector.head_pose import HeadPose
from affectline.services.detector.perclos import Perclos, PerclosMeter
from affectline.services.detector.running_quantile import RunningQuantile

SHUT_GAP: Final = 0.06
"""The lid gap that the network gives for shut eyes, in widths of the eye: between 0.00 (resting
lids) and 0.10 (blinks) in the labelled films (docs/signs.md)."""
USUAL_GAP: Final = 0.33
"""The gap of most people, used until a person's own is learnt."""
LEAST_USUAL_GAP: Final = 0.2
"""The usual gap is never taken to be less: otherwise lowered lids would become the usual of
somebody who is asleep."""
LEARNING_S: Final = 3.0
"""Seconds of open eyes after which a person's usual gap is known."""
TOO_NARROW_PX: Final = 8.0
"""Eyes narrower than this, in pixels, are not classified as open or shut (docs/signs.md)."""
TOO_DARK: Final = 0.06
"""The same limit for the mean brightness of the face, 0 to 1."""
FARTHEST_YAW: Final = 55.0
"""Degrees to either side beyond which the nearer eye is not read either: landmarks of faces seen
from the side are guessed."""

_USUAL_SHARE: Final = 0.8
"""The usual gap is this quantile of the gaps of open eyes: if a person's lids droop half of the
time, the other half still sets it."""
_HALF_LIFE_S: Final = 120.0
_OPEN_GAP: Final = 0.15
"""Least gap of eyes that may be open."""
_LOWERED: Final = 8.0
"""Lowered lids may be a lowered gaze once the head is this many degrees below the pitch at which
this person's eyes are usually open ..."""
_RAISED: Final = 4.0
"""... until it is back within this many degrees, or the eyes open."""
_PITCH_S: Final = 2.0
_OPEN: Final = 0.6
"""Opening from which eyes count as open, wherever they look."""
_NEARLY_SHUT: Final = 0.25
"""Below this opening the iris is not visible, and its place is a guess."""
_HELD_NS: Final = 400_000_000
"""A low iris between half-open lids counts as a lowered gaze after this time, longer than a blink
takes to pass through."""
_ONE_SHUT: Final = 0.2
_ONE_OPEN: Final = 0.35
"""An eye that is nearly shut while the other one is open counts as covered if that lasts: a wink is
shorter."""
_SPLIT_NS: Final = 500_000_000
_LONGEST_STEP_NS: Final = 500_000_000
"""The time between two frames farther apart than this counts as unknown. The usual gap is learnt
from such frames, too: each counts for this long."""

LEVEL_ABOVE: Final = 0.07
"""Height of the iris above the line of the corners, in widths of the eye, at a gaze level with the
head (median of open eyes in the labelled films)."""
REACH_ACROSS: Final = 0.28
"""The farthest that eyes turn: 45 degrees of an eyeball of 12 mm radius in an eye 30 mm wide."""
REACH_ALONG: Final = 0.2
"""The same upwards and downwards: 30 degrees."""
AVERTED: Final = 0.35
"""Gaze from which its direction is named: about 15 degrees across, 10 up and down."""


class EyeSigns(NamedTuple):
    """What is known about the eyes in one frame."""

    left: float | None = None
    """Opening, 0 to 1."""
    right: float | None = None
    unknown: EyesUnknown | None = None
    blink: Blink | None = None
    perclos: Perclos | None = None
    gaze: tuple[float, float] | None = None
    """Across and upwards, -1 to 1."""
    is_shut: bool = False


class EyeState:
    """The eyes of one person: their usual state and recent history."""

    def __init__(self) -> None:
        self._usual = {
            side: RunningQuantile(0.0, 0.64, _USUAL_SHARE, _HALF_LIFE_S)
            for side in ("left", "right")
        }
        self._pitch = RunningQuantile(-64.0, 64.0, 0.5, _HALF_LIFE_S)
        self._blinks = BlinkDetector()
        self._perclos = PerclosMeter()
        self._last: int | None = None
        self._is_down = False
        self._lowered = _Lasting(_HELD_NS)
        self._split = _Lasting(_SPLIT_NS)

    def skip(self, at: int, why: EyesUnknown) -> EyeSigns:
        """Skip a frame in which the eyes cannot be seen at all.

        Args:
            at: Nanoseconds on the session's time line.
            why: Why they cannot be seen.
        """
        return EyeSigns(unknown=why, perclos=self.miss(at))

    def miss(self, at: int) -> Perclos:
        """Note a frame in which nothing is known of the eyes, such as one without their face.

        Args:
            at: Nanoseconds on the session's time line.
        """
        self._lowered.add(at, holds=False)
        self._split.add(at, holds=False)
        self._blinks.add(at, None)
        return self._perclos.add(at, None, _known(self._step(at)))

    def add(self, at: int, eyes: Eyes, pose: HeadPose | None) -> EyeSigns:
        """Add a frame.

        Args:
            at: Nanoseconds on the session's time line.
            eyes: The eyes as read; at least one is visible.
            pose: Pose of the head.
        """
        step = self._step(at)
        length = _known(step)
        openings = {side: self._to_opening(side, getattr(eyes, side)) for side in self._usual}
        opening = _mean(openings.values())
        unknown = self._find_doubt(at, openings, to_gaze(eyes), pose)
        self._learn(eyes, opening, pose, min(step, _LONGEST_STEP_NS) / 1e9)
        if unknown == "covered":
            self._blinks.add(at, None)
            return EyeSigns(unknown=unknown, perclos=self._perclos.add(at, None, length))
        signs = EyeSigns(
            unknown=unknown,
            blink=self._blinks.add(at, opening, is_known=unknown is None),
            gaze=to_gaze(eyes) if opening > _NEARLY_SHUT else None,
            perclos=self._perclos.add(at, None if unknown else opening, length),
        )
        if unknown == "looking_down":
            return signs
        is_shut = opening <= _NEARLY_SHUT  # by most people's usual gap if this one's is unknown
        if unknown is not None:
            return signs._replace(is_shut=is_shut)
        left, right = (_limit(openings[side]) for side in ("left", "right"))
        return signs._replace(left=left, right=right, is_shut=is_shut)

    def _step(self, at: int) -> int:
        """Nanoseconds since the last frame; 0 for the first one."""
        step = 0 if self._last is None else max(0, at - self._last)
        self._last = at
        return step

    def _to_opening(self, side: str, eye: Eye) -> float | None:
        if not eye.is_visible:
            return None
        usual = self._usual[side]
        gap = max(usual.value, LEAST_USUAL_GAP) if usual.seconds >= LEARNING_S else USUAL_GAP
        return (eye.gap - SHUT_GAP) / (gap - SHUT_GAP)

    def _find_doubt(
        self,
        at: int,
        openings: Mapping[str, float | None],
        gaze: tuple[float, float],
        pose: HeadPose | None,
    ) -> EyesUnknown | None:
        """Why the openings do not show whether the eyes are shut."""
        left, right = openings.values()
        if self._split.add(at, holds=_are_split(left, right)):
            return "covered"
        opening = _mean(openings.values())
        is_low = _NEARLY_SHUT < opening < _OPEN and gaze[1] <= -AVERTED
        is_held = self._lowered.add(at, holds=is_low)
        self._is_down = is_held or (opening < _OPEN and self._is_lowered(pose))
        if self._is_down:
            return "looking_down"
        is_learnt = any(usual.seconds >= LEARNING_S for usual in self._usual.values())
        return None if is_learnt else "learning"

    def _is_lowered(self, pose: HeadPose | None) -> bool:
        if pose is None:
            return False
        usual = self._pitch.value if self._pitch.seconds >= _PITCH_S else 0.0
        return pose.pitch < usual - (_RAISED if self._is_down else _LOWERED)

    def _learn(self, eyes: Eyes, opening: float, pose: HeadPose | None, seconds: float) -> None:
        """Learn the usual gap and pitch from open eyes."""
        for side, usual in self._usual.items():
            eye: Eye = getattr(eyes, side)
            if eye.is_visible and eye.gap >= _OPEN_GAP and not self._is_lowered(pose):
                usual.add(eye.gap, seconds)
        if opening >= _OPEN and pose is not None:
            self._pitch.add(pose.pitch, seconds)


def _known(step: int) -> int:
    """How much of the nanoseconds since the last frame is known; 0 if too much is missing."""
    return step if step <= _LONGEST_STEP_NS else 0


class _Lasting:
    """Detects a condition that has held for some time without a break."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._since: int | None = None

    def add(self, at: int, *, holds: bool) -> bool:
        """Add a frame; return whether the condition has held long enough by now."""
        if not holds:
            self._since = None
        elif self._since is None:
            self._since = at
        return self._since is not None and at - self._since >= self._least


def to_gaze(eyes: Eyes) -> tuple[float, float]:
    """Where eyes look relative to the head.

    It is not calibrated: each person's eyes are built slightly differently.

    Returns:
        Across, positive to the person's own left, and upwards; -1 to 1.
    """
    seen = [eye for eye in eyes if eye.is_visible] or list(eyes)
    across = sum(eye.across for eye in seen) / len(seen) / REACH_ACROSS
    above = (sum(eye.above for eye in seen) / len(seen) - LEVEL_ABOVE) / REACH_ALONG
    return max(-1.0, min(1.0, across)), max(-1.0, min(1.0, above))


def name_gaze(across: float, up: float) -> Gaze:
    """A gaze in a word: the direction in which it is averted the most."""
    if max(abs(across), abs(up)) < AVERTED:
        return "ahead"
    if abs(across) >= abs(up):
        return "left" if across > 0 else "right"
    return "up" if up > 0 else "down"


def _mean(openings: Iterable[float | None]) -> float:
    seen = [opening for opening in openings if opening is not None]
    return sum(seen) / len(seen)


def _are_split(left: float | None, right: float | None) -> bool:
    """Whether one eye is shut and the other one open."""
    if left is None or right is None:
        return False
    return min(left, right) < _ONE_SHUT and max(left, right) > _ONE_OPEN


def _limit(opening: float | None) -> float | None:
    return None if opening is None else max(0.0, min(1.0, opening))
