"""The rows of a session's tables, as the sink writes them and `affectline export` does."""

import json
from typing import Any, Final

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker

COLUMNS: Final = (
    "stream", "epoch", "seq", "captured_at", "media_time", "detected_at", "classified_at",
    "track", "x", "y", "w", "h", "angle", "size", "blur", "brightness", "label", "confidence",
    *LABELS, *(f"{label}_smoothed" for label in LABELS), "missing",
)  # fmt: skip
"""Of a row about a face in a frame."""
MARKER_COLUMNS: Final = ("session", "at", "label", "source", "extra")
NOTHING: Final = (None,) * len(LABELS)


def emotion_row(emotion: Emotion, face: FaceEmotion | None) -> tuple[Any, ...]:
    """A row of ``COLUMNS``; None for the face makes a row about a frame without one."""
    frame = (
        emotion.stream, emotion.epoch, emotion.seq, emotion.captured_at, emotion.media_time,
        emotion.detected_at, emotion.classified_at,
    )  # fmt: skip
    if face is None:
        return (*frame, *(None,) * (len(COLUMNS) - len(frame) - 1), emotion.missing)
    quality = face.quality
    return (
        *frame, face.track, *face.box, face.angle, quality.size, quality.blur, quality.brightness,
        face.label, face.confidence, *(face.probabilities or NOTHING), *(face.smoothed or NOTHING),
        face.missing or emotion.missing,
    )  # fmt: skip


def marker_row(marker: Marker) -> tuple[str | int | None, ...]:
    """A row of ``MARKER_COLUMNS``."""
    extra = _extra(marker) if marker.extra else None
    return (marker.session, marker.at, marker.label, marker.source, extra)


def marker_text(marker: Marker) -> str:
    """A marker where there is one text for it: its label, and its extra fields where it has some.

    Example:
        ``hard braking {"km/h": 63.5}``
    """
    return f"{marker.label} {_extra(marker)}" if marker.extra else marker.label


def _extra(marker: Marker) -> str:
    return json.dumps(marker.extra, ensure_ascii=False)
