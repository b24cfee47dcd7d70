"""The tables of a session: their columns, and how messages become rows.

This is their only definition: the sink and the exports write these rows, the reader turns them back
into messages, and ``docs/tables.md`` is generated from it. Numbers are rounded here, so that every
copy of a table has the same cells.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

from affectline.common.labels import LABELS
from affectline.common.spreadsheet import escape_text, unescape_text
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker
from affectline.services.sessions.driver_columns import DRIVER_COLUMNS, driver_cells
from affectline.services.sessions.sign_columns import SIGN_COLUMNS, sign_cells
from affectline.services.sessions.table_column import (
    DEGREES,
    NS,
    Kind,
    Row,
    SessionTable,
    TableColumn,
)

Status = Literal["face", "no_face", "skipped"]
LOST: Final = "lost"
"""Reason of a frame whose result never came."""
STATE_SIGNALS: Final = ("heart", "skin", "face")
"""The signals that make up a `State`."""

TIME: Final = TableColumn(
    "time_s", "seconds", "s", "when it happened, from the session's start (`session.json`)", 6
)
AT: Final = TableColumn("at", "integer", NS, "the same moment, exactly")
SYNTHETIC: Final = TableColumn("synthetic", "boolean", "", "simulated: no person was measured")


def _distribution_columns() -> Iterator[TableColumn]:
    for label in LABELS:
        yield TableColumn(
            label, "number", "0 to 1", f"probability of {label}, smoothed over time", 6
        )
    for label in LABELS:
        text = f"probability of {label} from this frame alone"
        yield TableColumn(f"{label}_frame", "number", "0 to 1", text, 6)


EMOTIONS: Final = SessionTable(
    "emotions",
    "a row for each face of each frame, and one for each frame without a face or without a result",
    (
        TIME,
        TableColumn(
            "media_time_s", "seconds", "s",
            "films: position in the file, as a player shows it; empty for cameras and pictures", 6,
        ),
        TableColumn("stream", "text", "", "name of the source"),
        TableColumn(
            "file",
            "text",
            "",
            "pictures, each on its own: the path below the folder; empty with `--as-film`",
        ),
        TableColumn(
            "epoch", "integer", "ms since 1970", "start of the process that read the source"
        ),
        TableColumn("seq", "integer", "", "number of the frame in `stream` and `epoch`, from 0"),
        TableColumn(
            "status", "text", "",
            "`face`; `no_face`: analysed, no face found; `skipped`: not analysed",
        ),
        TableColumn(
            "reason", "text", "",
            "why a frame was skipped, or why a face has no result: `behind`, `stale`, "
            "`unanswered`, `invalid`, `lost` (its result never came)",
        ),
        TableColumn(
            "track", "integer", "",
            "the same face of `stream` over time, from 1 (not in pictures)",
        ),
        TableColumn("x", "integer", "px", "left edge of the box"),
        TableColumn("y", "integer", "px", "upper edge of the box"),
        TableColumn("w", "integer", "px", "width of the box"),
        TableColumn("h", "integer", "px", "height of the box"),
        TableColumn(
            "angle", "number", DEGREES,
            "rotation that made the face upright, positive counter-clockwise on the screen", 2,
        ),
        TableColumn("size", "integer", "px", "longer side of the box"),
        TableColumn(
            "blur", "number", "",
            "variance of the Laplacian at 48x48 pixels; below 120 it is doubted as `blurred`", 2,
        ),
        TableColumn("brightness", "number", "0 to 1", "mean gray of the face", 4),
        TableColumn(
            "label", "text", "", "the displayed emotion, with hysteresis so that it is steady"
        ),
        TableColumn("confidence", "number", "0 to 1", "probability of `label`", 6),
        TableColumn(
            "valence", "number", "-1 to 1",
            "displeased to pleased, from the position of the probabilities on Russell's "
            "circumplex", 6,
        ),
        TableColumn("arousal", "number", "-1 to 1", "asleep to agitated, likewise", 6),
        *_distribution_columns(),
        *SIGN_COLUMNS,
        TableColumn(
            "model", "text", "",
            "id of the model that classified; `+calibrated`: with a person's calibration",
        ),
        TableColumn("frame_width", "integer", "px", "width of the frame"),
        TableColumn("frame_height", "integer", "px", "height of the frame"),
        TableColumn("captured_at", "integer", NS, "when it happened, on the session's time line"),
        TableColumn(
            "received_at", "integer", NS, "when the pipeline received the frame, by the clock"
        ),
        TableColumn("detected_at", "integer", NS, "when its faces had been found, by the clock"),
        TableColumn(
            "classified_at", "integer", NS, "when its faces had been classified, by the clock"
        ),
        TableColumn("published_at", "integer", NS, "when the result was published, by the clock"),
    ),
)  # fmt: skip
SAMPLES: Final = SessionTable(
    "samples",
    "a row for each sample of each measured signal",
    (
        TIME,
        TableColumn("subject", "text", "", "who was measured"),
        TableColumn(
            "signal", "text", "", "what was measured: `heart_rate`, `skin_conductance`, ..."
        ),
        TableColumn("value", "number", "`unit`", "the sample"),
        TableColumn(
            "unit", "text", "", "unit of `value` as in UCUM: `/min`, `ms`, `uS`, `1` for none"
        ),
        TableColumn("quality", "number", "0 to 1", "how reliable it is, according to the device"),
        TableColumn("reason", "text", "", "why the quality is not 1"),
        TableColumn("device", "text", "", "name of the sensor or the file"),
        SYNTHETIC,
        TableColumn(
            "epoch", "integer", "ms since 1970", "start of the process that read the sensor"
        ),
        TableColumn("seq", "integer", "", "number of the message with this sample, from 0"),
        AT,
    ),
)


def _signal_columns() -> Iterator[TableColumn]:
    for name in STATE_SIGNALS:
        unit, prefix = f"`{name}_unit`", f"{name}_"
        yield TableColumn(f"{prefix}value", "number", unit, f"value of the signal {name}")
        yield TableColumn(f"{prefix}unit", "text", "", "its unit")
        yield TableColumn(f"{prefix}baseline", "number", unit, "the same at rest")
        yield TableColumn(
            f"{prefix}contribution",
            "number",
            "points",
            "what it adds to nervousness, or subtracts",
        )
        yield TableColumn(f"{prefix}quality", "number", "0 to 1", "how reliable it is")
        yield TableColumn(f"{prefix}reason", "text", "", "why its quality is not 1")


STATES: Final = SessionTable(
    "states",
    "a row for each estimate of a person's state, at most ten a second",
    (
        TIME,
        TableColumn("subject", "text", "", "whose state"),
        TableColumn("arousal", "number", "-1 to 1", "asleep to agitated"),
        TableColumn("valence", "number", "-1 to 1", "displeased to pleased"),
        TableColumn("nervousness", "number", "0 to 100", "stress index from heart and skin; 0: "
        "as at rest"),
        TableColumn("quality", "number", "0 to 1", "how reliable that is"),
        TableColumn(
            "baseline", "text", "",
            "what it is compared with: `none`, `continuous`, `calibrating`, `calibrated`",
        ),
        TableColumn("baseline_s", "number", "s", "seconds of rest behind the baseline"),
        SYNTHETIC,
        *_signal_columns(),
        *DRIVER_COLUMNS,
        AT,
    ),
)  # fmt: skip
MARKERS: Final = SessionTable(
    "markers",
    "a row for each marker, sorted by time once the session has ended",
    (
        TIME,
        TableColumn("session", "text", "", "what the marker belongs to, according to its source"),
        TableColumn("label", "text", "", "its text"),
        TableColumn("source", "text", "", "who set it"),
        TableColumn("extra", "text", "", "free further fields, as JSON"),
        AT,
    ),
)
RESPONSES: Final = SessionTable(
    "responses",
    "a row for each marker and signal; only in exports, and only if there are markers",
    (
        TIME._replace(description="when the marker was set, from the session's start"),
        TableColumn("marker", "text", "", "label of the marker"),
        TableColumn("signal", "text", "", "subject and name of the signal"),
        TableColumn("unit", "text", "", "unit of the signal"),
        TableColumn("baseline", "number", "`unit`", "mean of the seconds before the marker"),
        TableColumn("onset_s", "number", "s", "from the marker until the signal left its baseline"),
        TableColumn("peak", "number", "`unit`", "value furthest from the baseline"),
        TableColumn("peak_s", "number", "s", "from the marker to the peak"),
        TableColumn(
            "recovery_s", "number", "s", "from the peak until half of the response was gone"
        ),
        AT,
    ),
)
TABLES: Final = (EMOTIONS, SAMPLES, STATES, MARKERS, RESPONSES)
SESSION_TABLES: Final = (EMOTIONS, SAMPLES, STATES, MARKERS)
"""The tables that the sink writes, as ``<name>.csv``."""

_EMPTY: Final = (None,) * len(LABELS)
_FACE_CELLS: Final = EMOTIONS.header.index("model") - EMOTIONS.header.index("track")


def to_seconds(at: int, session_start: int) -> float:
    """Convert ns since the Unix epoch to seconds on the session's time line."""
    return (at - session_start) / 1e9


def emotion_rows(emotion: Emotion, session_start: int) -> Iterator[Row]:
    """Rows of `EMOTIONS`: one for each face, or one for a frame without a face."""
    media_time_s = None if emotion.media_time is None else emotion.media_time / 1e9
    status: Status = "face" if emotion.faces else "no_face"
    if emotion.missing is not None and not emotion.faces:
        status = "skipped"
    before = (
        to_seconds(emotion.captured_at, session_start), media_time_s, emotion.stream, emotion.file,
        emotion.epoch, emotion.seq, status,
    )  # fmt: skip
    behind = (
        emotion.model, emotion.width, emotion.height, emotion.captured_at, emotion.received_at,
        emotion.detected_at, emotion.classified_at, emotion.published_at,
    )  # fmt: skip
    for face in emotion.faces:
        yield _ROUND_EMOTION((*before, face.missing, *_face_cells(face, session_start), *behind))
    if not emotion.faces:
        nobody = (None,) * _FACE_CELLS
        yield _ROUND_EMOTION((*before, emotion.missing, *nobody, *behind))


def _face_cells(face: FaceEmotion, session_start: int) -> Row:
    quality = face.quality
    return (
        face.track, *face.box, face.angle, quality.size, quality.blur, quality.brightness,
        face.label, face.confidence, face.valence, face.arousal,
        *(face.probabilities or _EMPTY), *(face.frame_probabilities or _EMPTY),
        *sign_cells(face, session_start),
    )  # fmt: skip


def lost_row(stream: str, epoch: int, seq: int) -> Row:
    """The row of `EMOTIONS` for a frame without a result, whose time is unknown."""
    known = {"stream": stream, "epoch": epoch, "seq": seq, "status": "skipped", "reason": LOST}
    return tuple(known.get(name) for name in EMOTIONS.header)


def sample_rows(samples: Samples, session_start: int) -> Iterator[Row]:
    """Rows of `SAMPLES`: one for each sample of a message."""
    for at, value in zip(sample_times(samples), samples.values, strict=True):
        yield _ROUND_SAMPLE((
            to_seconds(at, session_start), samples.subject, samples.signal, value, samples.unit,
            samples.quality, samples.reason or None, samples.device or None, samples.synthetic,
            samples.epoch, samples.seq, at,
        ))  # fmt: skip


def state_row(state: State, session_start: int) -> Row:
    """A row of `STATES`."""
    signals: list[Any] = []
    for name in STATE_SIGNALS:
        one = state.signals.get(name)
        if one is None:
            signals += (None,) * 6
            continue
        signals += (
            one.value, one.unit or None, one.baseline, one.contribution, one.quality,
            one.reason or None,
        )  # fmt: skip
    return _ROUND_STATE((
        to_seconds(state.at, session_start), state.subject, state.arousal, state.valence,
        state.nervousness, state.quality, state.baseline, state.baseline_s, state.synthetic,
        *signals, *driver_cells(state), state.at,
    ))  # fmt: skip


def marker_row(marker: Marker, session_start: int) -> Row:
    """A row of `MARKERS`."""
    extra = _extra(marker) if marker.extra else None
    return _ROUND_MARKER((
        to_seconds(marker.at, session_start), marker.session, marker.label, marker.source or None,
        extra, marker.at,
    ))  # fmt: skip


def marker_text(marker: Marker) -> str:
    """A marker as one text: its label, and its extra fields if it has any.

    Example:
        ``hard braking {"km/h": 63.5}``
    """
    return f"{marker.label} {_extra(marker)}" if marker.extra else marker.label


def _extra(marker: Marker) -> str:
    return json.dumps(marker.extra, ensure_ascii=False)


def rounding(table: SessionTable) -> Callable[[Sequence[Any]], Row]:
    """Return a function that rounds the cells of a row as the table's columns specify.

    Example:
        ``rounding(MARKERS)((0.1234567, "s", "braking", "", None, 1))``
    """
    digits = tuple(column.digits for column in table.columns)

    def round_row(row: Sequence[Any]) -> Row:
        return tuple(
            value if wanted is None or value is None else round(value, wanted)
            for value, wanted in zip(row, digits, strict=True)
        )

    return round_row


_ROUND_EMOTION: Final = rounding(EMOTIONS)
_ROUND_SAMPLE: Final = rounding(SAMPLES)
_ROUND_STATE: Final = rounding(STATES)
_ROUND_MARKER: Final = rounding(MARKERS)


def format_cells(table: SessionTable) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that formats the cells of a row for CSV files."""
    kinds = tuple(column.kind for column in table.columns)

    def format_row(row: Sequence[Any]) -> list[Any]:
        return [
            value if kind in ("integer", "number") else format_cell(value, kind)
            for value, kind in zip(row, kinds, strict=True)
        ]

    return format_row


def format_cell(value: Any, kind: Kind) -> Any:
    """Format one cell for CSV files; an empty cell stays None."""
    if value is None:
        return None
    match kind:
        case "boolean":
            return "true" if value else "false"
        case "seconds":
            return f"{value:.6f}"
        case "text":
            return escape_text(value)
    return value


def parse_cell(text: str, kind: Kind) -> Any:
    """The value of a cell of a CSV file; None if it is empty.

    Raises:
        ValueError: The text is not of that kind.
    """
    if text == "":
        return None
    match kind:
        case "integer":
            return int(text)
        case "number" | "seconds":
            return float(text)
        case "boolean":
            if text not in ("true", "false"):
                raise ValueError(f"{text!r} is neither true nor false")
            return text == "true"
    return unescape_text(text)
