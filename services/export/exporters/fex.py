"""Py-Feat's data frame of facial expressions (https://py-feat.org), as ``read_feat`` reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from affectline.common.labels import LABELS
from affectline.common.settings.source_kind import source_path
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.face_frames import (
    LANDMARK_COLUMNS,
    FaceInFrame,
    flat_landmarks,
    write_stream_tables,
)
from affectline.services.sessions.recording import Recording

EMOTIONS: Final = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
    "sad": "sadness", "surprise": "surprise", "neutral": "neutral",
}  # fmt: skip
"""Py-Feat's name of each label."""
HEADER: Final = (
    "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", *LANDMARK_COLUMNS,
    "Pitch", "Roll", "Yaw", *EMOTIONS.values(), "input", "frame", "approx_time", "Identity",
)  # fmt: skip


class FexSettings(ExportSettings):
    """Settings of Fex exports."""

    exporter: Literal["fex"] = "fex"


class FexExporter(Exporter):
    """Writes the faces of each stream with the columns of Py-Feat's Fex."""

    settings_model = FexSettings
    summary = "faces and emotions with Py-Feat's columns"
    files = "<stream>-fex.csv"

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        source = _sources(recording.about.get("settings", {}))

        def make_row(found: FaceInFrame, time_s: float) -> Sequence[Any]:
            stream, media_time = found.emotion.stream, found.emotion.media_time
            if media_time is not None:  # a film may begin before or after the session
                time_s = media_time / 1e9
            return _row(found, time_s, found.emotion.file or source.get(stream, stream))

        return write_stream_tables(recording, folder, "fex", HEADER, make_row)


def _sources(settings: dict[str, Any]) -> dict[str, str]:
    """The source of each stream, from the session's settings; of a file, its name alone."""
    listed = settings.get("sources", ())
    named = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(one.get("name")): _name_of(str(one["source"])) for one in named if "source" in one}


def _name_of(source: str) -> str:
    path = source_path(source)
    return path.name if path else source


def _minutes(time_s: float) -> str:
    """A time as minutes and seconds, such as ``01:02.500``."""
    ms = round(time_s * 1000)
    minutes, rest = divmod(abs(ms), 60_000)
    return f"{'-' if ms < 0 else ''}{minutes:02}:{rest / 1000:06.3f}"


def _row(found: FaceInFrame, time_s: float, source: str) -> Sequence[Any]:
    moment = (source, found.emotion.seq, _minutes(time_s))
    face = found.face
    if face is None:
        return [None] * (len(HEADER) - 4) + [*moment, None]
    shares = dict(zip(LABELS, face.probabilities or [None] * len(LABELS), strict=True))
    angles = (face.pitch, face.roll, face.yaw)
    pose = [None if angle is None else round(angle, 3) for angle in angles]
    return [
        *face.box, face.mesh_score, *flat_landmarks(found.landmarks), *pose,
        *(shares[label] for label in EMOTIONS), *moment, found.name or f"Person_{found.track}",
    ]  # fmt: skip
