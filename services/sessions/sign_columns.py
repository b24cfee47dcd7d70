"""Columns for a face's head pose, eyes, mouth and doubts.

The names are those on the wire (`common.wire.face_signs.FaceSigns`). All cells are empty if
landmark detection was off or found nothing.
"""

from typing import Any, Final

from affectline.common.wire.face_signs import DOUBTS, Blink, FaceSigns
from affectline.services.sessions.table_column import DEGREES, NS, Cells, Row, TableColumn

SEPARATOR: Final = "; "
"""Between the doubts of a cell."""
_SINCE: Final = 2
_OPENING: Final = (
    "opening of the person's own {} eye: 0 shut, 1 as wide as usual for this person, or wider; "
    "empty if unknown, `eyes_unknown` says why; validated on four people"
)
_GAZE: Final = "where the eyes look relative to the head: {}; not calibrated, not validated"

SIGN_COLUMNS: Final = (
    TableColumn(
        "doubts", "text", "",
        "reasons not to trust the emotion of this frame, separated by `; `: "
        + ", ".join(f"`{doubt}`" for doubt in DOUBTS),
        since=_SINCE,
    ),
    TableColumn(
        "yaw", "number", DEGREES,
        "-180 to 180: turn of the head, positive to the person's own left, which is the right "
        "of the frame; 0: facing the camera", 2, _SINCE,
    ),
    TableColumn(
        "pitch", "number", DEGREES, "-180 to 180: lift of the head, positive upwards", 2, _SINCE
    ),
    TableColumn(
        "roll", "number", DEGREES,
        "-180 to 180: roll of the head, positive counter-clockwise on the screen", 2, _SINCE,
    ),
    TableColumn("eye_opening_left", "number", "0 to 1", _OPENING.format("left"), 4, _SINCE),
    TableColumn("eye_opening_right", "number", "0 to 1", _OPENING.format("right"), 4, _SINCE),
    TableColumn(
        "eyes_unknown", "text", "",
        "why the opening is unknown: `learning` (of this person's usual), `looking_down`, "
        "`turned_away`, `covered`, `too_small`, `dark`",
        since=_SINCE,
    ),
    TableColumn(
        "blink_at_s", "seconds", "s",
        "start of a blink that ended by this frame: when the lids were half-way down, from the "
        "session's start; validated on four people", 6, _SINCE,
    ),
    TableColumn("blink_at", "integer", NS, "the same moment, exactly", since=_SINCE),
    TableColumn(
        "blink_duration_ms", "number", "ms",
        "0 to 60000: from then until the lids were half-way up again; no finer than the time "
        "between frames", 2, _SINCE,
    ),
    TableColumn(
        "perclos", "number", "0 to 1",
        "PERCLOS: share of the known time in the last 60 s with eyes at least 80 % shut; empty "
        "while less than 20 s are known; not validated on drowsy people",
        6, _SINCE,
    ),
    TableColumn(
        "perclos_known_s", "number", "s",
        "0 to 60: seconds of the last 60 s with known eye opening", 3, _SINCE,
    ),
    TableColumn(
        "mouth_opening", "number", "0 to 1",
        "gap between the lips as a share of the mouth's width; 0: shut; not validated", 4, _SINCE,
    ),
    TableColumn(
        "gaze_x", "number", "-1 to 1",
        _GAZE.format("-1 to the person's own right, 1 to the left, each as far as eyes turn"),
        4, _SINCE,
    ),
    TableColumn("gaze_y", "number", "-1 to 1", _GAZE.format("-1 down, 1 up"), 4, _SINCE),
    TableColumn(
        "gaze", "text", "",
        "`gaze_x` and `gaze_y` in a word: `ahead`, `left`, `right`, `up`, `down`; the person's own "
        "left and right; not calibrated, not validated",
        since=_SINCE,
    ),
    TableColumn(
        "mesh_score", "number", "0 to 1",
        "confidence of the landmark model that these are the landmarks of a face", 4, _SINCE,
    ),
)  # fmt: skip


def sign_cells(face: FaceSigns, session_start: int) -> Row:
    """Cells of `SIGN_COLUMNS`.

    Args:
        face: The face.
        session_start: Zero of the session's time line, ns since the Unix epoch.
    """
    blink = face.blink
    return (
        SEPARATOR.join(face.doubts) or None, face.yaw, face.pitch, face.roll,
        face.eye_opening_left, face.eye_opening_right, face.eyes_unknown,
        None if blink is None else (blink.at - session_start) / 1e9,
        None if blink is None else blink.at, None if blink is None else blink.duration_ms,
        face.perclos, face.perclos_known_s, face.mouth_opening, face.gaze_x, face.gaze_y,
        face.gaze, face.mesh_score,
    )  # fmt: skip


def read_signs(row: Cells) -> dict[str, Any]:
    """Fields of `FaceSigns` from a row of the table; empty cells are left out.

    Raises:
        ValidationError: The row's blink is invalid.
    """
    signs = {name: row[name] for name in FaceSigns.model_fields if row.get(name) is not None}
    if "doubts" in signs:
        signs["doubts"] = tuple(signs["doubts"].split(SEPARATOR))
    if row.get("blink_at") is not None:
        signs["blink"] = Blink(at=row["blink_at"], duration_ms=row["blink_duration_ms"])
    return signs
