"""How much a person looks away from their usual direction, by yaw and pitch of the head.

**It was not validated on drivers.** docs/state.md has the method, its sources and its limits.
"""

import math
from typing import Final

from affectline.common.wire.biometrics import Look, OffRoad, SignalContribution
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.stretches import (
    HOLD_S,
    WINDOW_S,
    RecentStretches,
    Stretch,
    seconds_by_label,
)
from affectline.services.fusion.usual_direction import LEARN_S, Direction, UsualDirection

YAW_LIMIT: Final = 15.0
PITCH_LIMIT: Final = 12.0
"""Half-axes in degrees of the ellipse about the usual direction beyond which a person looks away.
They are chosen, not fitted: nods and the swaying of talking heads stay within. The head covers only
part of a shift of gaze, and for some people hardly any (Fridman et al. 2016). But it turned in more
than nine of ten glances at the centre console or a phone on the lap, and in two of three at the
instruments or the inner mirror (Talamonti et al. 2014)."""
BACK: Final = 0.8
"""Share of the limits within which a look away ends, so that one at the limit does not count as
many."""
LOST_AWAY_S: Final = 3.0
"""A face that is lost during a look away counts as looking away for this long: a look over the
shoulder hides the face and takes one to three seconds. After that the direction is unknown."""
MIN_KNOWN_S: Final = 10.0
"""With fewer seconds of known direction, there is no share."""
LONG_S: Final = 2.0
"""Longest single glance by NHTSA's guideline for drivers' tasks (2013)."""


class LookSignal:
    """Looks away of one person, as seen by one camera."""

    def __init__(self) -> None:
        self._usual = UsualDirection()
        self._window = RecentStretches("unknown")
        self.is_measured = False
        """Whether a direction was ever seen."""
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget observations, whose times no longer hold; keep the usual direction."""
        self._window.clear()
        self._direction: Direction | None = None
        self._at_s = -math.inf
        """Time of the last direction."""
        self._label: Look = "unknown"

    def restart(self) -> None:
        """Begin a calibration: learn the usual direction again."""
        self._usual.reset()
        self._window.clear()
        self._label = "unknown"

    def freeze(self) -> None:
        """End a calibration: fix the usual direction."""
        self._usual.freeze()

    def add_face(self, face: FaceSigns | None, at_s: float) -> None:
        """Add the face in a frame, which may have no direction, or None without a face."""
        if face is not None and face.yaw is not None and face.pitch is not None:
            self._add_direction((face.yaw, face.pitch), at_s)
        elif self.is_measured:
            self._add_unknown(face, at_s)

    def _add_direction(self, direction: Direction, at_s: float) -> None:
        if at_s <= self._at_s:
            return
        self.is_measured = True
        self._direction, self._at_s = direction, at_s
        self._usual.add(*direction)
        by_yaw, by_pitch = self._distances(direction)
        distance = by_yaw + by_pitch
        if self._usual.direction is None:
            self._label = "learning"
        else:
            limit = BACK**2 if self._label == "away" else 1.0
            self._label = "away" if distance > limit else "ahead"
        self._window.set(self._label, at_s, _share_of_yaw(by_yaw, by_pitch))

    def _distances(self, direction: Direction) -> Direction:
        """Squared distances from the usual direction by yaw and by pitch; in sum 1 at the limit."""
        if self._usual.direction is None:
            return 0.0, 0.0
        yaw, pitch = self._usual.direction
        by_yaw, by_pitch = (direction[0] - yaw) / YAW_LIMIT, (direction[1] - pitch) / PITCH_LIMIT
        return by_yaw**2, by_pitch**2

    def _add_unknown(self, face: FaceSigns | None, at_s: float) -> None:
        """Continue a look away while the face is lost or turned out of sight; else unknown."""
        rest_s = self._at_s + LOST_AWAY_S - at_s
        if face is not None and "turned_away" in face.doubts:
            rest_s = HOLD_S  # it is in sight, and has not turned back
        if self._label == "away" and rest_s > 0 and self._direction is not None:
            weight = _share_of_yaw(*self._distances(self._direction))
            self._window.set("away", at_s, weight, min(rest_s, HOLD_S))
        else:
            self._label = "unknown"
            self._window.set("unknown", at_s)

    def close_second(self) -> None:
        """Update the usual direction with the second that ends."""
        self._usual.close_second()

    def evaluate(self, now_s: float) -> OffRoad | None:
        """Looks away in the last minute; None if no direction was ever seen."""
        if not self.is_measured:
            return None
        stretches = self._window.stretches(now_s)
        seconds = seconds_by_label(stretches, now_s)
        away_s = seconds.get("away", 0.0)
        known_s = min(WINDOW_S, away_s + seconds.get("ahead", 0.0))
        unknown_s = seconds.get("unknown", 0.0)
        is_enough = known_s >= MIN_KNOWN_S
        share = min(1.0, away_s / known_s) if is_enough else None
        glances = [stretch.seconds for stretch in stretches if stretch.label == "away"]
        quality = known_s / WINDOW_S * self._usual.maturity if is_enough else 0.0
        reason = self._reason(known_s, unknown_s)
        return OffRoad(
            now=stretches[-1].label if stretches else "unknown",
            now_s=max(0.0, now_s - stretches[-1].start_s) if stretches else 0.0,
            share=share,
            longest_s=max(glances, default=0.0) if is_enough else None,
            long_glances=sum(seconds > LONG_S for seconds in glances),
            unknown=min(1.0, unknown_s / WINDOW_S),
            known_s=known_s,
            usual_s=self._usual.seconds,
            quality=quality,
            contributions=self._contributions(now_s, stretches, share, quality, reason),
            reason=reason,
        )

    def _reason(self, known_s: float, unknown_s: float) -> str:
        if self._usual.direction is None:
            learnt_s = self._usual.seconds
            return f"still learning the usual direction: {learnt_s:.0f} s of {LEARN_S:.0f}"
        if unknown_s >= 1:
            return f"the direction was unknown for {unknown_s:.0f} s of the last {WINDOW_S:.0f}"
        if known_s < WINDOW_S - 1:
            return f"the direction has been known for {known_s:.0f} s of {WINDOW_S:.0f} so far"
        return "usual direction learned for too short a time" if self._usual.maturity < 1 else ""

    def _contributions(
        self,
        now_s: float,
        stretches: list[Stretch],
        share: float | None,
        quality: float,
        reason: str,
    ) -> dict[str, SignalContribution]:
        """Share in per cent, attributed to yaw and pitch by their squared distances."""
        start_s = now_s - WINDOW_S
        away = [stretch for stretch in stretches if stretch.label == "away"]
        away_s = sum(stretch.within(start_s) for stretch in away)
        by_yaw = (
            sum(stretch.weighted_within(start_s) for stretch in away) / away_s if away_s else 0.0
        )
        points = 100 * (share or 0.0)
        usual = self._usual.direction or (None, None)
        seen = self._direction if now_s - self._at_s <= HOLD_S else None
        yaw, pitch = seen or (None, None)
        reason = reason if seen else "no direction is seen"
        return {
            "yaw": SignalContribution(
                value=yaw, unit="deg", baseline=usual[0], contribution=points * by_yaw,
                quality=quality, reason=reason,
            ),
            "pitch": SignalContribution(
                value=pitch, unit="deg", baseline=usual[1], contribution=points * (1 - by_yaw),
                quality=quality, reason=reason,
            ),
        }  # fmt: skip


def _share_of_yaw(by_yaw: float, by_pitch: float) -> float:
    """The yaw's share of a squared distance; 0 in the usual direction itself."""
    return by_yaw / (by_yaw + by_pitch) if by_yaw or by_pitch else 0.0
