"""A session as a film with the overlay that its viewers saw."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from cv2.utils import logging

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.overlay.video_writer import AnnotatedVideoWriter


def write_films(packets: Iterable[Packet], folder: Path) -> list[Path]:
    """Write one annotated MP4 for each stream of pictures; returns those that were written.

    Raises:
        AffectlineError: A film cannot be played: there was no room for all of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # a full disk is one line, not one a picture
    with TemporaryDirectory(prefix=".films-", dir=folder) as place:
        _film(packets, Path(place))
        paths = []
        for made in sorted(Path(place).glob("*.mp4")):
            path = folder / made.name
            if not _plays(made):
                raise AffectlineError(
                    f"cannot write to --out {folder}: {path.name} was cut off",
                    "make room, or name another",
                )
            paths.append(made.replace(path))
    return paths


def _film(packets: Iterable[Packet], folder: Path) -> None:
    writer = AnnotatedVideoWriter(folder)
    try:
        for packet in packets:
            message = packet.message
            if isinstance(message, StreamStart):
                writer.begin(message)
            elif isinstance(message, Frame):
                writer.add_frame(packet)
            elif isinstance(message, Emotion):
                writer.add_result(message)
    finally:
        writer.close()


def _plays(path: Path) -> bool:
    """Whether a film has its index, which is written last: OpenCV does not say when it cannot."""
    film = cv2.VideoCapture(str(path))
    try:
        return film.isOpened()
    finally:
        film.release()
