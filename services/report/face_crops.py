"""Thumbnails of the face at each marker."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Box, Frame, Marker, Packet
from affectline.services.sessions.timeseries import FaceObservation, SessionSeries

WITHIN_S: Final = 2.0
"""Maximum time between a marker and the face shown for it."""
MARGIN: Final = 0.25
"""Margin around the box on each side, as a share of the box's side."""
SIDE_PX: Final = 160

Key = tuple[str, int, int]
"""Stream, epoch and sequence number of a frame."""


def find_nearest(markers: Iterable[Marker], session: SessionSeries) -> list[FaceObservation | None]:
    """For each marker, the face closest in time; None if none was close enough."""
    observed = sorted(session.observations, key=lambda face: face.at)
    times = [face.at for face in observed]
    found: list[FaceObservation | None] = []
    for marker in markers:
        place = bisect_left(times, marker.at)
        near = observed[max(0, place - 1) : place + 1]
        nearest = min(near, key=lambda face: abs(face.at - marker.at), default=None)
        is_close = nearest is not None and abs(nearest.at - marker.at) <= WITHIN_S * 1e9
        found.append(nearest if is_close else None)
    return found


def crop_faces(
    markers: Iterable[Marker], session: SessionSeries, frames: Iterable[Packet]
) -> list[bytes | None]:
    """A JPEG file for each marker; None if no face or frame was recorded near it.

    Args:
        markers: The markers.
        session: The session's time series.
        frames: The session's frames; reading stops when all faces are found.
    """
    faces = find_nearest(markers, session)
    boxes: dict[Key, Box] = {(f.stream, f.epoch, f.seq): f.box for f in faces if f}
    crops: dict[Key, bytes] = {}
    if boxes:
        for packet in frames:
            frame = packet.message
            if not isinstance(frame, Frame):
                continue
            key = (frame.stream, frame.epoch, frame.seq)
            if key not in boxes or key in crops:
                continue
            image = decode(frame, packet.parts[0])
            if image is not None:
                crops[key] = crop_face(image, boxes[key])
            if len(crops) == len(boxes):
                break
    return [crops.get((f.stream, f.epoch, f.seq)) if f else None for f in faces]


def crop_face(image: NDArray[np.uint8], box: Box) -> bytes:
    """A square around a box as a JPEG file; beyond the image's edge, edge pixels are repeated.

    Args:
        image: ``(H, W, 3) uint8``, BGR.
        box: ``(x, y, w, h)`` in pixels.
    """
    x, y, width, height = box
    side = max(2, round(max(width, height) * (1 + 2 * MARGIN)))
    centre = (x + width / 2, y + height / 2)
    square = cv2.getRectSubPix(image, (side, side), centre)
    small = cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small)
    return encoded.tobytes()
