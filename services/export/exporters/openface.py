"""OpenFace's table (https://github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format).

The table has only columns that are known: gaze angles and action units are not measured, and
positions in millimetres need a calibrated camera.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.face_frames import (
    LANDMARK_COLUMNS,
    FaceInFrame,
    flat_landmarks,
    write_stream_tables,
)
from affectline.services.sessions.recording import Recording

HEADER: Final = (
    "frame", "face_id", "timestamp", "confidence", "success", "pose_Rx", "pose_Ry", "pose_Rz",
    *LANDMARK_COLUMNS,
)  # fmt: skip


class OpenFaceSettings(ExportSettings):
    """Settings of OpenFace exports."""

    exporter: Literal["openface"] = "openface"


class OpenFaceExporter(Exporter):
    """Writes the faces of each stream with those of OpenFace's columns that are known."""

    settings_model = OpenFaceSettings
    summary = "faces and head pose with OpenFace's columns"
    files = "<stream>-openface.csv"

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        return write_stream_tables(recording, folder, "openface", HEADER, _row)


def _row(found: FaceInFrame, time_s: float) -> Sequence[Any]:
    frame, at = found.emotion.seq + 1, round(time_s, 6)  # OpenFace counts from 1
    face = found.face
    if face is None:
        return [frame, 0, at, 0, 0, *[0] * (len(HEADER) - 5)]
    # OpenFace's axes point right, down and away from the camera (R = Rx Ry Rz), so lifting the
    # head, turning it to its own left or rolling it counter-clockwise gives negative angles
    angles = (face.pitch, face.yaw, face.roll)
    pose = [None if angle is None else round(-math.radians(angle), 6) for angle in angles]
    score = 1 if face.mesh_score is None else round(face.mesh_score, 4)
    return [frame, found.track, at, score, 1, *pose, *flat_landmarks(found.landmarks)]
