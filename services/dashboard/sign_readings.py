"""Head pose, eyes, gaze and doubts of faces, and drowsiness and looking away, as rows of text."""

from collections import deque
from functools import singledispatchmethod
from typing import Any, Final

from affectline.common.vision.sign_words import DOUBT_WORDS, EYES_UNKNOWN_WORDS, GAZE_WORDS
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Drowsiness, OffRoad, State
from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Emotion, FaceEmotion

GONE_NS: Final = 2_000_000_000
"""A face that has not been seen for this long is no longer shown."""
BLINKS_NS: Final = 60_000_000_000
"""Blinks are counted over this time, as for PERCLOS."""
NEEDED_S: Final = 20.0
"""Minimum seconds of known eye opening for a blink rate and PERCLOS."""
AHEAD: Final = 2.0
"""Angles below this, in degrees, count as straight."""

Row = dict[str, str]
"""``name``, ``value`` and ``note``."""


class SeenSigns:
    """One face, and its blinks of the last minute."""

    def __init__(self) -> None:
        self.blinks: deque[tuple[int, float]] = deque()
        """Time in ns and duration in ms."""
        self.at = 0
        self.rows: list[Row] = []
        self.doubts: list[str] = []

    def add(self, face: FaceSigns, at: int) -> None:
        """Add the face of one frame."""
        self.at = at
        if face.blink is not None and face.eyes_unknown != "learning":  # as for PERCLOS
            self.blinks.append((face.blink.at, face.blink.duration_ms))
        while self.blinks and self.blinks[0][0] < at - BLINKS_NS:
            self.blinks.popleft()
        self.doubts = [DOUBT_WORDS[doubt] for doubt in face.doubts]
        self.rows = describe_face(face, [duration for _, duration in self.blinks])


class SignReadings:
    """The newest signs of one hub. An `Aggregator` of the hub's client."""

    def __init__(self) -> None:
        self._faces: dict[tuple[str, int], SeenSigns] = {}
        self._people: dict[str, list[Row]] = {}
        self._is_changed = False

    def add(self, message: Message) -> None:
        self._add(message)

    @singledispatchmethod
    def _add(self, message: Message) -> None:
        """Other kinds are ignored."""

    @_add.register
    def _(self, emotion: Emotion) -> None:
        for face in emotion.faces:
            if is_measured(face):
                seen = self._faces.setdefault((emotion.stream, face.track), SeenSigns())
                seen.add(face, emotion.captured_at)
                self._is_changed = True
        for key, seen in list(self._faces.items()):
            # The time may also go back when a looped film restarts
            if key[0] == emotion.stream and abs(emotion.captured_at - seen.at) > GONE_NS:
                del self._faces[key]
                self._is_changed = True

    @_add.register
    def _(self, state: State) -> None:
        if state.drowsiness is not None or state.off_road is not None:
            self._people[state.subject] = describe_person(state.drowsiness, state.off_road)
            self._is_changed = True

    def clear(self) -> None:
        self._faces.clear()
        self._people.clear()
        self._is_changed = True

    def update(self) -> dict[str, Any] | None:
        is_changed, self._is_changed = self._is_changed, False
        return self.history() if is_changed else None

    def history(self) -> dict[str, Any]:
        faces = [
            {"stream": stream, "track": track, "rows": seen.rows, "doubts": seen.doubts}
            for (stream, track), seen in sorted(self._faces.items())
        ]
        people = [{"subject": name, "rows": rows} for name, rows in sorted(self._people.items())]
        return {"kind": "signs", "faces": faces, "people": people}


def is_measured(face: FaceEmotion) -> bool:
    """Whether anything besides the emotion was measured for a face."""
    return face.yaw is not None or face.eyes_unknown is not None or bool(face.doubts)


def describe_face(face: FaceSigns, blinks: list[float]) -> list[Row]:
    """Rows about a face.

    Args:
        face: The face in the newest frame.
        blinks: Durations of its blinks in the last minute, in ms.
    """
    rows = [
        _row("head", _describe_head(face)),
        _row("eyes", _describe_eyes(face)),
        _row("blinks", _describe_blinks(face, blinks), "validated on four people"),
        _row("PERCLOS", _describe_perclos(face), "not validated on drowsy people"),
        _row("gaze", GAZE_WORDS[face.gaze] if face.gaze else "", "of the eyes, not calibrated"),
        _row("mouth", _percent(face.mouth_opening, " open"), "not validated"),
    ]
    return [row for row in rows if row["value"]]


def describe_person(drowsiness: Drowsiness | None, off_road: OffRoad | None) -> list[Row]:
    """Rows about a person's drowsiness and looking away."""
    rows = []
    if drowsiness is not None:
        level = drowsiness.level
        value = "unknown" if level is None else f"{level:.0f} of 100"
        if level is not None and drowsiness.long_blinks:
            value += f", long blinks: {drowsiness.long_blinks}"
        rows.append(_row("drowsiness", value, _describe_quality(drowsiness)))
    if off_road is not None:
        rows.append(_row("looks away", _describe_looks(off_road), _describe_quality(off_road)))
    return rows


def _row(name: str, value: str, note: str = "") -> Row:
    return {"name": name, "value": value, "note": note}


def _describe_quality(found: Drowsiness | OffRoad) -> str:
    return f"quality {found.quality:.0%}" + (f": {found.reason}" if found.reason else "")


def _describe_head(face: FaceSigns) -> str:
    if face.yaw is None or face.pitch is None or face.roll is None:
        return ""
    parts = []
    for angle, less, more in (
        (face.yaw, "to their right", "to their left"), (face.pitch, "down", "up"),
    ):  # fmt: skip
        if abs(angle) >= AHEAD:
            parts.append(f"{abs(angle):.0f}° {more if angle > 0 else less}")
    if abs(face.roll) >= AHEAD:
        parts.append(f"rolled {abs(face.roll):.0f}° {_turn(face.roll)}")
    return ", ".join(parts) or "straight ahead"


def _turn(roll: float) -> str:
    return "counter-clockwise" if roll > 0 else "clockwise"


def _describe_eyes(face: FaceSigns) -> str:
    openings = (("left", face.eye_opening_left), ("right", face.eye_opening_right))
    known = [f"{side} {opening:.0%}" for side, opening in openings if opening is not None]
    parts = [f"{', '.join(known)} open"] if known else []
    if face.eyes_unknown is not None:
        parts.append(f"unknown: {EYES_UNKNOWN_WORDS[face.eyes_unknown]}")
    return "; ".join(parts)


def _describe_blinks(face: FaceSigns, blinks: list[float]) -> str:
    known_s = face.perclos_known_s
    if known_s is None:
        return ""
    last = f", the last took {blinks[-1]:.0f} ms" if blinks else ""
    if known_s < NEEDED_S:
        return f"{len(blinks)} in {known_s:.0f} s{last}"
    return f"{60 * len(blinks) / known_s:.0f} a minute{last}"


def _describe_perclos(face: FaceSigns) -> str:
    known_s = face.perclos_known_s or 0.0
    if face.perclos is not None:
        return f"{face.perclos:.1%} of {known_s:.0f} s"
    if face.perclos_known_s is None:
        return ""
    return f"not known yet: {known_s:.0f} s of {NEEDED_S:.0f} s"


def _describe_looks(off_road: OffRoad) -> str:
    now = {
        "learning": "still learning where this person usually looks",
        "ahead": "ahead", "away": "away", "unknown": "unknown",
    }[off_road.now]  # fmt: skip
    parts = [now if off_road.now == "learning" else f"{now} for {off_road.now_s:.1f} s"]
    if off_road.share is not None:
        parts.append(f"{off_road.share:.0%} of the last minute")
    if off_road.longest_s:
        parts.append(f"longest {off_road.longest_s:.1f} s")
    return ", ".join(parts)


def _percent(share: float | None, rest: str) -> str:
    return "" if share is None else f"{share:.0%}{rest}"
