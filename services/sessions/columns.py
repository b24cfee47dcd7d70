"""Columns and rows of a session's tables, as sink and exports write them."""

import json
from typing import Any, Final

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker

COLUMNS: Final = (
    "stream", "epoch", "seq", "captured_at", "media_time", "detected_at", "classified_at",
    "track", "x", "y", "w", "h", "angle", "size", "blur", "brightness", "label", "confidence",
    *LABELS, *(f"{label}_frame" for label in LABELS), "missing",
)  # fmt: skip
"""Columns of ``emotions``: a row for each face in each frame."""
MARKER_COLUMNS: Final = ("session", "at", "label", "source", "extra")
EMPTY: Final = (None,) * len(LABELS)


def emotion_row(emotion: Emotion, face: FaceEmotion | None) -> tuple[Any, ...]:
    """A row of ``COLUMNS``; without a face, the row of a frame in which there was none."""
    identity = (
        emotion.stream, emotion.epoch, emotion.seq, emotion.captured_at, emotion.media_time,
        emotion.detected_at, emotion.classified_at,
    )  # fmt: skip
    if face is None:
        return (*identity, *(None,) * (len(COLUMNS) - len(identity) - 1), emotion.missing)
    quality = face.quality
    return (
        *identity, face.track, *face.box, face.angle,
        quality.size, quality.blur, quality.brightness, face.label, face.confidence,
        *(face.probabilities or EMPTY), *(face.frame_probabilities or EMPTY),
        face.missing or emotion.missing,
    )  # fmt: skip


def marker_row(marker: Marker) -> tuple[str | int | None, ...]:
    """A row of ``MARKER_COLUMNS``."""
    extra = _extra(marker) if marker.extra else None
    return (marker.session, marker.at, marker.label, marker.source, extra)


def marker_text(marker: Marker) -> str:
    """A marker as one text: its label, and its extra fields if it has some.

    Example:
        ``hard braking {"km/h": 63.5}``
    """
    return f"{marker.label} {_extra(marker)}" if marker.extra else marker.label


def _extra(marker: Marker) -> str:
    return json.dumps(marker.extra, ensure_ascii=False)
