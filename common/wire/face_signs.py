"""Signs of a face besides its emotion: head pose, eyes, mouth, and reasons for doubt.

Directions refer to both the frame and the person: right in the frame is the person's own left,
unless the camera mirrors. All angles are zero for an upright head that faces the camera, wherever
it is in the frame.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, Field

from affectline.common.wire.base import Message, Nanoseconds, Probability

Degrees = Annotated[float, Field(ge=-180, le=180)]
Share = Annotated[float, Field(ge=-1, le=1)]

Doubt = Literal[
    "turned_away", "eyes_shut", "speaking", "covered", "blurred", "dark", "too_small"
]  # fmt: skip
"""Why not to trust the expression of a face: the face is turned beyond the angle up to which the
model was tested; the eyes are shut; the person speaks, which looks like expressions; something
covers the face; it is blurred, dark or too small."""
DOUBTS: Final[tuple[Doubt, ...]] = get_args(Doubt)

EyesUnknown = Literal["learning", "looking_down", "turned_away", "covered", "too_small", "dark"]
"""Why the opening of the eyes is unknown: this person's usual opening is not known yet; the head or
gaze is lowered, which lowers the lids of open eyes; the face is turned away or covered; it is too
small or too dark to see the lids."""

Gaze = Literal["ahead", "left", "right", "up", "down"]


LONGEST_BLINK_STEP_S: Final = 0.11
"""Longest time between frames at which blinks are detected: at 9 frames a second a blink of median
length, 0.15 s (Caffier et al. 2003), may fall between two frames."""


class Blink(BaseModel):
    """A blink that has ended."""

    model_config = Message.model_config

    at: Nanoseconds
    """When the lids were half-way down, on the session's time line."""
    duration_ms: Annotated[float, Field(gt=0, le=60_000)]
    """From then until they were half-way up again."""


class FaceSigns(BaseModel):
    """Signs measured from a face's landmarks; all None if there are no landmarks."""

    model_config = Message.model_config

    yaw: Degrees | None = None
    """Degrees by which the head is turned, positive to the person's own left, which is to the right
    in the frame."""
    pitch: Degrees | None = None
    """Degrees by which the head is lifted, positive upwards."""
    roll: Degrees | None = None
    """Degrees by which the head is rolled, positive counter-clockwise on the screen."""
    eye_opening_left: Probability | None = None
    """Opening of the person's own left eye: 0 is shut, 1 as wide as this person's usual opening or
    wider. None if unknown, with the reason in ``eyes_unknown``."""
    eye_opening_right: Probability | None = None
    """The same for the right eye."""
    eyes_unknown: EyesUnknown | None = None
    blink: Blink | None = None
    """The blink whose end was recognized with this frame."""
    perclos: Probability | None = None
    """Share of the known time in the last 60 s in which the eyes were shut by at least 80 %
    (PERCLOS, Wierwille et al. 1994); None if less than 20 s are known."""
    perclos_known_s: Annotated[float, Field(ge=0, le=60)] | None = None
    """Seconds of the last 60 s in which the opening of the eyes was known."""
    mouth_opening: Probability | None = None
    """Gap between the lips as a share of the mouth's width, at most 1; 0 is shut."""
    gaze_x: Share | None = None
    """Horizontal gaze relative to the head, not calibrated: from -1 (the person's own right) to 1
    (left), each as far as eyes can turn."""
    gaze_y: Share | None = None
    """Vertical gaze, likewise, from -1 (down) to 1 (up)."""
    gaze: Gaze | None = None
    """``gaze_x`` and ``gaze_y`` as one word."""
    mesh_score: Probability | None = None
    """The landmark model's confidence that these are the landmarks of a face."""
    doubts: Annotated[tuple[Doubt, ...], Field(max_length=len(DOUBTS), strict=False)] = ()
    """Reasons not to trust the emotion in this frame, which is given all the same."""
