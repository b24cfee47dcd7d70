"""Writes the recorded frames of a session as films, unchanged: nothing is decoded or drawn."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from affectline.common import atomic_file
from affectline.common.wire.messages import Frame, Packet

TIME_BASE: Final = Fraction(1, 1000)


class FrameFilms:
    """Writes a Matroska film of JPEG images for each stream.

    Args:
        stem: Beginning of the films' paths; ``_<stream>.mkv`` is appended.
    """

    def __init__(self, stem: Path) -> None:
        self._stem = stem
        self._films: dict[str, tuple[Path, Any, Any, int]] = {}

    def add(self, packet: Packet[Frame]) -> None:
        """Add a frame; frames without an image, or with one that is not JPEG, are left out."""
        frame = packet.message
        if frame.encoding != "jpeg" or not packet.parts or not packet.parts[0]:
            return
        if frame.stream not in self._films:
            self._films[frame.stream] = self._open(frame)
        _, container, stream, begin = self._films[frame.stream]
        made = av.Packet(bytes(packet.parts[0]))
        made.stream, made.time_base = stream, TIME_BASE
        made.pts = made.dts = (frame.captured_at - begin) // 1_000_000
        made.is_keyframe = True
        container.mux(made)

    def _open(self, frame: Frame) -> tuple[Path, Any, Any, int]:
        path = self._stem.with_name(f"{self._stem.name}_{frame.stream}.mkv")
        path.parent.mkdir(parents=True, exist_ok=True)
        container = av.open(str(atomic_file.partial_path(path)), "w", format="matroska")
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuvj420p"
        stream.time_base = TIME_BASE
        return path, container, stream, frame.captured_at

    def discard(self) -> None:
        """Remove all films, because the recording could not be read to its end."""
        for path, container, *_ in self._films.values():
            with suppress(OSError):  # there may be no room for the end of the file
                container.close()
            atomic_file.partial_path(path).unlink(missing_ok=True)

    def close(self) -> list[Path]:
        """Finish the films and give them their final names; return their paths."""
        for path, container, *_ in self._films.values():
            container.close()
            atomic_file.rename(atomic_file.partial_path(path), path)
        return [path for path, *_ in self._films.values()]
