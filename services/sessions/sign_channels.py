"""Channels for head pose, eyes, mouth and doubts of a face, and for drowsiness and looking away.

Lab Streaming Layer and XDF files use the same channels.
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from affectline.common.wire.biometrics import State
from affectline.common.wire.face_signs import DOUBTS, FaceSigns

DRIVER_NOTE: Final = "not validated on drivers"


class SignChannel(NamedTuple):
    """A channel of a stream."""

    name: str
    unit: str
    note: str = ""
    """A caveat or convention for users; appears in the stream's description."""


FACE_CHANNELS: Final = (
    SignChannel("yaw", "degrees", "positive to the person's own left"),
    SignChannel("pitch", "degrees", "positive upwards"),
    SignChannel("roll", "degrees", "positive counter-clockwise on the screen"),
    SignChannel("eye_opening_left", "0 to 1", "of this person's usual; validated on four people"),
    SignChannel("eye_opening_right", "0 to 1", "of this person's usual; validated on four people"),
    SignChannel("blink_duration", "ms", "in the frame in which a blink ended, else NaN"),
    SignChannel("perclos", "0 to 1", "over 60 s; not validated on drowsy people"),
    SignChannel("perclos_known", "s", "seconds of the last 60 s with known eye opening"),
    SignChannel("mouth_opening", "0 to 1", "not validated"),
    SignChannel("gaze_x", "-1 to 1", "positive to the person's own left; not calibrated"),
    SignChannel("gaze_y", "-1 to 1", "positive upwards; not calibrated"),
    SignChannel("mesh_score", "0 to 1"),
    *(
        SignChannel(f"doubt_{doubt}", "0 or 1", "1: a reason not to trust the emotion")
        for doubt in DOUBTS
    ),
)
DRIVER_CHANNELS: Final = (
    SignChannel("drowsiness", "0 to 100", DRIVER_NOTE),
    SignChannel("drowsiness_quality", "0 to 1"),
    SignChannel("long_blinks", "count", "of half a second or more in the last 60 s"),
    SignChannel("away", "0 or 1", "1: looking away, 0: ahead, NaN: unknown; " + DRIVER_NOTE),
    SignChannel("away_share", "0 to 1", "of the last 60 s; " + DRIVER_NOTE),
    SignChannel("away_longest", "s", "in the last 60 s; " + DRIVER_NOTE),
    SignChannel("away_quality", "0 to 1"),
)


def has_signs(face: FaceSigns | None) -> bool:
    """Whether anything besides the emotion was measured for a face."""
    return face is not None and any(
        getattr(face, name) != field.default for name, field in FaceSigns.model_fields.items()
    )


def face_row(face: FaceSigns | None) -> list[float]:
    """Values of `FACE_CHANNELS`; NaN where unknown or without a face."""
    if face is None:
        return [math.nan] * len(FACE_CHANNELS)
    blink_ms = None if face.blink is None else face.blink.duration_ms
    values = (
        face.yaw, face.pitch, face.roll, face.eye_opening_left, face.eye_opening_right, blink_ms,
        face.perclos, face.perclos_known_s, face.mouth_opening, face.gaze_x, face.gaze_y,
        face.mesh_score, *(float(doubt in face.doubts) for doubt in DOUBTS),
    )  # fmt: skip
    return [math.nan if value is None else value for value in values]


def measured_people(states: Iterable[State]) -> dict[str, list[State]]:
    """By subject: the states that report drowsiness or looking away."""
    people: dict[str, list[State]] = {}
    for state in states:
        if state.drowsiness is not None or state.off_road is not None:
            people.setdefault(state.subject, []).append(state)
    return people


def driver_row(state: State) -> list[float]:
    """Values of `DRIVER_CHANNELS`; NaN where unknown."""
    drowsiness, off_road = state.drowsiness, state.off_road
    values: list[float | None] = [None] * len(DRIVER_CHANNELS)
    if drowsiness is not None:
        values[:3] = (drowsiness.level, drowsiness.quality, drowsiness.long_blinks)
    if off_road is not None:
        away = {"away": 1.0, "ahead": 0.0}.get(off_road.now)
        values[3:] = (away, off_road.share, off_road.longest_s, off_road.quality)
    return [math.nan if value is None else value for value in values]
