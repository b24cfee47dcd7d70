"""A session as a film with the overlay that its viewers saw."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from cv2.utils import logging

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.overlay.video import AnnotatedVideo


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
            atomic_file.rename(made, path)
            paths.append(path)
    return paths


def _film(packets: Iterable[Packet], folder: Path) -> None:
    film = AnnotatedVideo(folder)
    try:
        for packet in packets:
            message = packet.message
            if isinstance(message, StreamStart):
                film.begin(message)
            elif isinstance(message, Frame):
                film.keep(packet)
            elif isinstance(message, Emotion):
                film.answer(message)
    finally:
        film.close()


def _plays(path: Path) -> bool:
    """Whether a film has its index, which is written last: OpenCV does not say when it cannot."""
    film = cv2.VideoCapture(str(path))
    try:
        return film.isOpened()
    finally:
        film.release()
