"""A session as a film with the overlay that its viewers saw."""

from collections.abc import Iterable
from pathlib import Path

from common.messages import Emotion, Frame, Packet, StreamStart
from services.sink.display import Mp4


def write_films(packets: Iterable[Packet], folder: Path) -> list[Path]:
    """Write one annotated MP4 for each stream of pictures; returns those that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.mp4"))
    film = Mp4(folder)
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
    return sorted(set(folder.glob("*.mp4")) - before)
