"""What a face says besides its emotion: where it points, its eyes and mouth, and what to doubt.

Directions are those of the picture and of the person at once: to the right of the picture is to the
person's own left, unless the camera mirrors. All angles are zero for a head that faces the camera
upright, wherever in the picture it is.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, Field

from affectline.common.wire.base import Message, Nanoseconds, Probability

Degrees = Annotated[float, Field(ge=-180, le=180)]
Share = Annotated[float, Field(ge=-1, le=1)]

Doubt = Literal[
    "turned_away", "eyes_shut", "speaking", "covered", "blurred", "dark", "too_small"
]  # fmt: skip
"""Why not to trust what a face seems to show: it is turned beyond the angle to which the model was
tried; its eyes are shut; its mouth speaks, which looks like expressions; something covers it; it is
blurred, dark or too small."""
DOUBTS: Final[tuple[Doubt, ...]] = get_args(Doubt)

EyesUnknown = Literal["learning", "looking_down", "turned_away", "covered", "too_small", "dark"]
"""Why the opening of the eyes is unknown: this person's usual is not known yet; the head or the
gaze is lowered, which lowers the lids of open eyes; the face is turned away, covered, too small or
too dark for its lids to be seen."""

Gaze = Literal["ahead", "left", "right", "up", "down"]


class Blink(BaseModel):
    """A blink that has ended."""

    model_config = Message.model_config

    at: Nanoseconds
    """When the lids were half-way down, on the session's time line."""
    duration_ms: Annotated[float, Field(gt=0, le=60_000)]
    """From then until they were half-way up again."""


class FaceSigns(BaseModel):
    """What landmarks show of a face; all None where they were not looked for or found."""

    model_config = Message.model_config

    yaw: Degrees | None = None
    """Degrees by which the head is turned, positive to the person's own left: to the right of the
    picture."""
    pitch: Degrees | None = None
    """Degrees by which the head is lifted, positive upwards."""
    roll: Degrees | None = None
    """Degrees by which the head is rolled, positive counter-clockwise on the screen."""
    eye_opening_left: Probability | None = None
    """Opening of the person's own left eye: 0 shut, 1 as wide as this person's usually is, or
    wider. None where ``eyes_unknown`` says why."""
    eye_opening_right: Probability | None = None
    """The same of the right eye."""
    eyes_unknown: EyesUnknown | None = None
    blink: Blink | None = None
    """The blink that is known, with this frame, to have ended."""
    perclos: Probability | None = None
    """Share of the last 60 s in which the eyes were shut by at least 80 % (PERCLOS, Wierwille et
    al. 1994), of the time in which that was known; None while less than 20 s of it are."""
    perclos_known_s: Annotated[float, Field(ge=0, le=60)] | None = None
    """Of the last 60 s, those in which the opening of the eyes was known."""
    mouth_opening: Probability | None = None
    """Gap between the lips as a share of the mouth's width, at most 1; 0: shut."""
    gaze_x: Share | None = None
    """Where the eyes look relative to the head, not calibrated: -1 to the person's own right,
    1 to the left, each as far as eyes go."""
    gaze_y: Share | None = None
    """The same from -1 (down) to 1 (up)."""
    gaze: Gaze | None = None
    """``gaze_x`` and ``gaze_y`` in a word."""
    mesh_score: Probability | None = None
    """How sure the landmark model is that these are the landmarks of a face."""
    doubts: Annotated[tuple[Doubt, ...], Field(max_length=len(DOUBTS), strict=False)] = ()
    """Why not to trust the emotion in this frame; it is given all the same."""
