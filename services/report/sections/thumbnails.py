"""What the face looked like at each marker."""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Frame, Marker, Packet
from affectline.services.sessions.timeseries import FaceObservation, SessionSeries

NEAREST_S: Final = 2.0
"""A face that was seen longer before or after a marker says nothing about it."""
MARGIN: Final = 0.25
"""What a thumbnail shows around the box on each side, in sides of the box."""
SIDE: Final = 160
"""Side of a thumbnail in pixels."""

Key = tuple[str, int, int]
"""Stream, epoch and number of a picture."""


def nearest(marker: Marker, session: SessionSeries) -> FaceObservation | None:
    """The face that was seen closest in time to a marker, if any was close."""
    sightings = session.sightings
    found = min(sightings, key=lambda seen: abs(seen.at - marker.at), default=None)
    if found is None or abs(found.at - marker.at) > NEAREST_S * 1e9:
        return None
    return found


def thumbnails(session: SessionSeries, packets: Iterable[Packet]) -> list[bytes | None]:
    """A JPEG picture for each marker; None where no face or no picture was recorded near it.

    Args:
        session: What the packets were gathered to.
        packets: The same again.
    """
    seen = [nearest(marker, session) for marker in session.markers]
    wanted: dict[Key, tuple[int, int, int, int]] = {
        (s.stream, s.epoch, s.seq): s.box for s in seen if s
    }
    cut: dict[Key, bytes] = {}
    for packet in packets:
        frame = packet.message
        if not isinstance(frame, Frame):
            continue
        key = (frame.stream, frame.epoch, frame.seq)
        if key in wanted and key not in cut:
            picture = decode(frame, packet.parts[0])
            if picture is not None:
                cut[key] = cut_out(picture, wanted[key])
    return [cut.get((s.stream, s.epoch, s.seq)) if s else None for s in seen]


def cut_out(picture: NDArray[np.uint8], box: tuple[int, int, int, int]) -> bytes:
    """A square around a box as a JPEG file; beyond the picture's edge its last pixels go on."""
    x, y, width, height = box
    side = max(2, round(max(width, height) * (1 + 2 * MARGIN)))
    centre = (x + width / 2, y + height / 2)
    around = cv2.getRectSubPix(picture, (side, side), centre)
    small = cv2.resize(around, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small)
    return encoded.tobytes()
