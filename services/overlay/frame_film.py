"""Writes the recorded frames of a session as films, unchanged: nothing is decoded or drawn."""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from affectline.common import atomic_file
from affectline.common.wire.messages import Frame, Packet

TIME_BASE: Final = Fraction(1, 1000)
RATE: Final = 25
"""Frames a second, where their times do not say it."""


@dataclass
class _Film:
    path: Path
    container: Any
    track: Any
    begin_ns: int
    """Event time at the film's zero."""
    last_ns: int
    """Event time of the last frame."""
    last_ms: int = -1
    """Its time in the film."""

    def place(self, at: int) -> int:
        """Time in the film, in ms, of the next frame, from its event time; it always increases."""
        if at < self.last_ns:
            self.begin_ns = at - self.last_ms * 1_000_000 - 1_000_000_000 // RATE
        self.last_ns = at
        self.last_ms = max(self.last_ms + 1, (at - self.begin_ns) // 1_000_000)
        return self.last_ms


class FrameFilms:
    """Writes a Matroska film of JPEG images for each stream.

    Frames keep their order and their times. Where a time goes back, because a camera's clock was
    set back, the film goes on after an ordinary interval.

    Args:
        stem: Beginning of the films' paths; ``_<stream>.mkv`` is appended.
    """

    def __init__(self, stem: Path) -> None:
        self._stem = stem
        self._films: dict[str, _Film] = {}

    def add(self, packet: Packet[Frame]) -> None:
        """Add a frame; frames without an image, or with one that is not JPEG, are left out."""
        frame = packet.message
        if frame.encoding != "jpeg" or not packet.parts or not packet.parts[0]:
            return
        if frame.stream not in self._films:
            self._films[frame.stream] = self._open(frame)
        film = self._films[frame.stream]
        made = av.Packet(bytes(packet.parts[0]))
        made.stream, made.time_base = film.track, TIME_BASE
        made.pts = made.dts = film.place(frame.captured_at)
        made.is_keyframe = True
        film.container.mux(made)

    def _open(self, frame: Frame) -> _Film:
        path = self._stem.with_name(f"{self._stem.name}_{frame.stream}.mkv")
        path.parent.mkdir(parents=True, exist_ok=True)
        container = av.open(str(atomic_file.partial_path(path)), "w", format="matroska")
        stream: Any = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuvj420p"
        stream.time_base = TIME_BASE
        return _Film(path, container, stream, frame.captured_at, frame.captured_at)

    def discard(self) -> None:
        """Remove all films, because the recording could not be read to its end."""
        for film in self._films.values():
            with suppress(OSError):  # there may be no room for the end of the file
                film.container.close()
            atomic_file.partial_path(film.path).unlink(missing_ok=True)

    def close(self) -> list[Path]:
        """Finish the films and give them their final names; return their paths."""
        for film in self._films.values():
            film.container.close()
            atomic_file.rename(atomic_file.partial_path(film.path), film.path)
        return [film.path for film in self._films.values()]
