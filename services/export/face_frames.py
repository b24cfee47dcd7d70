"""A recording's results frame by frame, with the 68 face landmarks that other tools expect."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common import atomic_file
from affectline.common.output_file import check_output_file
from affectline.common.spreadsheet import row_writer
from affectline.common.wire.messages import Emotion, FaceEmotion, Faces, Packet
from affectline.services.export.owned_files import OwnedFiles
from affectline.services.sessions.edits import SessionEdits
from affectline.services.sessions.recording import Recording

MESH_TO_68: Final = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""For each of the 68 points of iBUG's 300-W scheme (Sagonas et al. 2013): the nearest point of the
face mesh. The jaw line is the mesh's outline, which lies slightly further out than 300-W's."""
POINTS: Final = len(MESH_TO_68)
MOST_WAITING: Final = 256
"""Maximum of frames whose landmarks wait for their results."""


class FaceInFrame(NamedTuple):
    """A face of a frame; `face` is None for a frame without one."""

    emotion: Emotion
    face: FaceEmotion | None
    landmarks: NDArray[np.float32] | None
    """``(68, 2)`` in pixels of the frame; None if they were not recorded."""
    track: int = 0
    """The face's track, or the track that it was merged into; 0 without a face."""
    name: str | None = None
    """Name of the person, if one was entered."""


def iterate_faces(packets: Iterable[Packet], edits: SessionEdits) -> Iterator[FaceInFrame]:
    """Yield every face of every analysed frame, in order; a frame without a face comes once."""
    waiting: dict[tuple[str, int, int], list[NDArray[np.float32] | None]] = {}
    for packet in packets:
        message = packet.message
        if isinstance(message, Faces):
            if any(face.landmarks for face in message.faces):
                waiting[message.stream, message.epoch, message.seq] = _read_landmarks(packet)
                while len(waiting) > MOST_WAITING:
                    waiting.pop(next(iter(waiting)))
        elif isinstance(message, Emotion) and message.missing is None:
            found = waiting.pop((message.stream, message.epoch, message.seq), [])
            yield from _faces_of(message, found, edits)


def _faces_of(
    emotion: Emotion, landmarks: Sequence[NDArray[np.float32] | None], edits: SessionEdits
) -> Iterator[FaceInFrame]:
    if not emotion.faces:
        yield FaceInFrame(emotion, None, None)
    for i, face in enumerate(emotion.faces):
        points = landmarks[i] if i < len(landmarks) else None
        track = edits.track_of(emotion.stream, face.track)
        yield FaceInFrame(emotion, face, points, track, edits.name_of(emotion.stream, face.track))


def _read_landmarks(packet: Packet) -> list[NDArray[np.float32] | None]:
    """The 68 points of each face; a face has two parts, and a third one if it has landmarks."""
    found: list[NDArray[np.float32] | None] = []
    at = 0
    message = packet.message
    for face in message.faces if isinstance(message, Faces) else ():
        if face.landmarks and at + 2 < len(packet.parts):
            points = np.frombuffer(packet.parts[at + 2], "<f4").reshape(-1, 3)
            found.append(points[list(MESH_TO_68), :2])
        else:
            found.append(None)
        at += 3 if face.landmarks else 2
    return found


def write_stream_tables(
    recording: Recording,
    folder: Path,
    exporter: str,
    header: Sequence[str],
    make_row: Callable[[FaceInFrame, float], Sequence[Any]],
) -> list[Path]:
    """Write a table for each stream, row by row; the files appear when all are complete.

    Args:
        recording: The session.
        folder: Folder for the files.
        exporter: Name of the exporter; files are called ``<stream>-<exporter>.csv``.
        header: Names of the columns.
        make_row: Makes the cells from a face and the time in s since the session's start.
    """
    files: dict[str, tuple[Path, Any, Any]] = {}
    zero, owned = recording.session_start, OwnedFiles(folder, recording, exporter)
    with ExitStack() as stack:
        for found in iterate_faces(recording.read(), recording.edits):
            emotion = found.emotion
            zero = emotion.captured_at if zero is None else zero
            if emotion.stream not in files:
                path = folder / f"{emotion.stream}-{exporter}.csv"
                owned.claim([path])
                check_output_file("--out", path, "such a table", ",".join(header).encode())
                partial = atomic_file.partial_path(path)
                stack.callback(partial.unlink, missing_ok=True)
                file = stack.enter_context(partial.open("w", newline="", encoding="utf-8"))
                writer = row_writer(file)
                writer.writerow(header)
                files[emotion.stream] = path, file, writer
            cells = make_row(found, (emotion.captured_at - zero) / 1e9)
            files[emotion.stream][2].writerow(cells)
        for path, file, _ in files.values():
            file.flush()
            os.fsync(file.fileno())
            atomic_file.rename(atomic_file.partial_path(path), path)
    paths = [path for path, *_ in files.values()]
    owned.replace(paths)
    return paths


def flat_landmarks(landmarks: NDArray[np.float32] | None) -> list[float | None]:
    """``x_0`` to ``x_67``, then ``y_0`` to ``y_67``; all None if they were not recorded."""
    if landmarks is None:
        return [None] * (2 * POINTS)
    return [round(float(value), 2) for value in landmarks.T.ravel()]


LANDMARK_COLUMNS: Final = tuple(f"{axis}_{i}" for axis in "xy" for i in range(POINTS))
