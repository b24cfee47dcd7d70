"""The face at each marker."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Box, Frame, Marker, Packet
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.sections.narrative import format_clock
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import FaceObservation, SessionSeries

WITHIN_S: Final = 2.0
"""A face that was seen longer before or after a marker is unrelated to it."""
MARGIN: Final = 0.25
"""Shown around the box on each side, in sides of the box."""
SIDE_PX: Final = 160

Key = tuple[str, int, int]
"""Stream, epoch and sequence number of a frame."""


class ThumbnailsSettings(SectionSettings):
    """Settings of the thumbnails."""

    section: Literal["thumbnails"] = "thumbnails"


class ThumbnailsSection(Section):
    """Shows the face, time and label of each marker."""

    settings_model = ThumbnailsSettings
    order = 30

    def render(self, data: ReportData) -> str:
        session = data.session
        if not session.markers:
            return ""
        images = crop_thumbnails(session, data.recording.read())
        figures = [
            f"<figure>{_format_image(image, data.recording)}"
            f"<figcaption>{_format_caption(marker, session)}</figcaption></figure>"
            for marker, image in zip(session.markers, images, strict=True)
        ]
        return "\n".join(["<h2>Markers</h2>\n<div class=sheet>", *figures, "</div>"])


def _format_image(image: bytes | None, recording: Recording) -> str:
    if image is None:
        is_recorded = recording.is_recorded
        return "no face was recorded here" if is_recorded else "pictures need up --record"
    return f'<img alt="face" src="data:image/jpeg;base64,{b64encode(image).decode()}">'


def _format_caption(marker: Marker, session: SessionSeries) -> str:
    extra = ", ".join(f"{name} {value}" for name, value in marker.extra.items())
    at = "not on the time axis" if session.is_stray(marker) else format_clock(marker.at, session)
    parts = [at, marker.label, extra]
    return "<br>".join(escape(part) for part in parts if part)


def find_nearest(marker: Marker, session: SessionSeries) -> FaceObservation | None:
    """The face that was seen closest in time to a marker, if any was close."""
    nearest = min(session.observations, key=lambda face: abs(face.at - marker.at), default=None)
    if nearest is None or abs(nearest.at - marker.at) > WITHIN_S * 1e9:
        return None
    return nearest


def crop_thumbnails(session: SessionSeries, packets: Iterable[Packet]) -> list[bytes | None]:
    """A JPEG file for each marker; None where no face or no frame was recorded near it.

    Args:
        session: The session's time series.
        packets: The session's messages.
    """
    faces = [find_nearest(marker, session) for marker in session.markers]
    boxes: dict[Key, Box] = {(f.stream, f.epoch, f.seq): f.box for f in faces if f}
    crops: dict[Key, bytes] = {}
    for packet in packets:
        frame = packet.message
        if not isinstance(frame, Frame):
            continue
        key = (frame.stream, frame.epoch, frame.seq)
        if key in boxes and key not in crops:
            image = decode(frame, packet.parts[0])
            if image is not None:
                crops[key] = crop_face(image, boxes[key])
    return [crops.get((f.stream, f.epoch, f.seq)) if f else None for f in faces]


def crop_face(image: NDArray[np.uint8], box: Box) -> bytes:
    """A square around a box as a JPEG file; the image's edge is extended by its last pixels.

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
