"""How drowsy a person's lids look, by PERCLOS and by blinks compared with the usual ones.

**It was not validated on drowsy people.** docs/state.md has the method, its sources and its limits.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

from affectline.common.wire.biometrics import Drowsiness, SignalContribution
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.signal_quality import freshness
from affectline.services.fusion.stretches import WINDOW_S, RecentStretches, seconds_by_label
from affectline.services.fusion.usual_blink import UsualBlink

POINTS_PER_PERCLOS: Final = 400.0
"""Points of the level for a PERCLOS of 1. With it, the limits of Wierwille et al. (1994), 0.075 for
questionable and 0.15 for drowsy, are at 30 and 60 points, and 0.25 is the end of the scale."""
POINTS_PER_DOUBLE: Final = 60.0
MAX_BLINK_POINTS: Final = 30.0
"""Points for blinks that take twice as long as usual, and the most that blinks can add: half as
long again counts as the limit of questionable. These are chosen, not fitted: blinks become longer
with drowsiness in every study (Caffier et al. 2003, Schleicher et al. 2008), but by how much
differs."""
LONG_BLINK_MS: Final = 500.0
"""Blinks of this duration or more are overlong (Schleicher et al. 2008)."""
NEEDED_S: Final = 20.0
"""Known seconds from which on a face has a PERCLOS (`FaceSigns.perclos`)."""
WHOLE_S: Final = WINDOW_S - 0.5
"""Known seconds that count as the whole last minute: its edge lies between two frames."""
MIN_BLINKS: Final = 3
"""With fewer blinks in a minute there is no median: people blink 10 to 20 times a minute."""
FRESH_S: Final = 2.0
STALE_S: Final = 10.0
"""Ages of the last PERCLOS up to which it counts fully, and from which it no longer counts: by then
ten seconds of its one-minute window are missing."""

WHY: Final = {
    "no_face": "no face in sight",
    "not_measured": "no eyes were found in the face",
    "learning": "this person's usual eye opening is still being learned",
    "looking_down": "head or gaze is lowered, which lowers the lids of open eyes",
    "turned_away": "the face is turned away",
    "covered": "the face is covered",
    "too_small": "the face is too small for its lids to be seen",
    "dark": "the face is too dark for its lids to be seen",
}
"""Why the opening of the eyes is unknown, in words."""


@dataclass(frozen=True)
class PerclosReading:
    """PERCLOS as reported with a frame."""

    value: float
    """0 to 1."""
    known_s: float
    """How many of the last 60 s it is based on."""
    at_s: float


class DrowsinessSignal:
    """Drowsiness of one person, by the eyes as seen by one camera."""

    def __init__(self) -> None:
        self.usual_blink = UsualBlink()
        self._eyes = RecentStretches("no_face")
        self.is_measured = False
        """Whether the eyes of a face were ever analysed."""
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget observations, whose times no longer hold; keep the usual blink."""
        self._eyes.clear()
        self._perclos: PerclosReading | None = None
        self._blinks: deque[tuple[float, float]] = deque()
        """Time of each blink's end, and its duration in ms."""
        self._known_s = 0.0
        """`FaceSigns.perclos_known_s` of the last face."""

    def add_face(self, face: FaceSigns | None, at_s: float) -> None:
        """Add the face in a frame, whose eyes may be unknown, or None without a face."""
        why = _why_unknown(face)
        self.is_measured |= face is not None and why != "not_measured"
        if not self.is_measured:
            return
        self._eyes.set(why, at_s)
        if face is None:
            return
        self._known_s = face.perclos_known_s or 0.0
        if face.perclos is not None:
            known_s = WINDOW_S if face.perclos_known_s is None else face.perclos_known_s
            self._perclos = PerclosReading(face.perclos, known_s, at_s)
        if face.blink is not None:
            self._blinks.append((at_s, face.blink.duration_ms))
            self.usual_blink.add(face.blink.duration_ms)
        while self._blinks and self._blinks[0][0] <= at_s - WINDOW_S:
            self._blinks.popleft()

    def _durations(self, now_s: float) -> list[float]:
        """Durations in ms of the blinks that ended in the last minute."""
        return [ms for at_s, ms in self._blinks if at_s > now_s - WINDOW_S]

    def evaluate(self, now_s: float) -> Drowsiness | None:
        """Drowsiness by the last minute; None if eyes were never analysed."""
        if not self.is_measured:
            return None
        perclos = self._contribution_of_perclos(now_s)
        blinks = self._contribution_of_blinks(now_s, perclos)
        is_known = perclos.value is not None
        return Drowsiness(
            level=perclos.contribution + blinks.contribution if is_known else None,
            quality=perclos.quality,
            contributions={"perclos": perclos, "blink_duration": blinks},
            long_blinks=sum(ms >= LONG_BLINK_MS for ms in self._durations(now_s)),
            reason=perclos.reason,
        )

    def _contribution_of_perclos(self, now_s: float) -> SignalContribution:
        found = self._perclos
        fresh = freshness(now_s - found.at_s, FRESH_S, STALE_S) if found else 0.0
        if found is None or fresh <= 0:
            return SignalContribution(unit="1", reason=self._why_missing(now_s))
        quality = fresh * (1.0 if found.known_s >= WHOLE_S else found.known_s / WINDOW_S)
        return SignalContribution(
            value=found.value,
            unit="1",
            contribution=min(100.0, POINTS_PER_PERCLOS * found.value),
            quality=quality,
            reason=self._why_not_whole(now_s, found, fresh),
        )

    def _contribution_of_blinks(
        self, now_s: float, perclos: SignalContribution
    ) -> SignalContribution:
        """What blinks add to the points of PERCLOS; nothing if PERCLOS is unknown."""
        durations, usual_ms = self._durations(now_s), self.usual_blink.duration_ms
        if len(durations) < MIN_BLINKS or usual_ms is None:
            reason = f"blinks in the last minute: {len(durations)}; {MIN_BLINKS} are needed"
            return SignalContribution(unit="ms", reason=reason)
        median_ms, maturity = median(durations), self.usual_blink.maturity
        points = POINTS_PER_DOUBLE * (median_ms / usual_ms - 1) * maturity
        room = 100.0 - perclos.contribution if perclos.value is not None else 0.0
        return SignalContribution(
            value=median_ms,
            unit="ms",
            baseline=usual_ms,
            contribution=max(0.0, min(points, MAX_BLINK_POINTS, room)),
            quality=maturity * perclos.quality,
            reason="usual duration of blinks learned for too short a time"
            if maturity < 1
            else perclos.reason,
        )

    def _why_missing(self, now_s: float) -> str:
        """Why there is no PERCLOS."""
        stretches = self._eyes.stretches(now_s)
        why = stretches[-1].label if stretches else "no_face"
        known = f"the eyes were seen for {self._known_s:.0f} s of the last {WINDOW_S:.0f}"
        return WHY[why] if why else f"{known}: {NEEDED_S:.0f} are needed"

    def _why_not_whole(self, now_s: float, found: PerclosReading, fresh: float) -> str:
        """Why the quality of a PERCLOS is not 1."""
        if fresh < 1:
            return f"the last PERCLOS is {now_s - found.at_s:.0f} s old"
        if found.known_s >= WHOLE_S:
            return ""
        seconds = seconds_by_label(self._eyes.stretches(now_s), now_s)
        seconds.pop("", None)
        text = f"the eyes were seen for {found.known_s:.0f} s of the last {WINDOW_S:.0f}"
        mostly = max(seconds, key=lambda why: seconds[why], default="")
        return f"{text}; {WHY[mostly]}" if mostly and seconds[mostly] >= 1 else text


def _why_unknown(face: FaceSigns | None) -> str:
    """A key of `WHY`; empty if the opening of an eye is known."""
    if face is None:
        return "no_face"
    if face.eye_opening_left is not None or face.eye_opening_right is not None:
        return ""
    return face.eyes_unknown or "not_measured"
