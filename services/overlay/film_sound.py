"""The sound of a film, for the annotated film: its own packets, at its own times.

It is read from the film once more while pictures are written, and cut to them. Packets are copied
as they are where MP4 has a place for their codec, and become AAC where it has none.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import av

from affectline.common.settings.source_kind import source_path
from affectline.common.wire.messages import Emotion, StreamStart

COPIED: Final = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
"""Codecs that MP4 holds; raw samples it would hold, too, but few players find them."""
ZERO_BASED: Final = frozenset({"avi", "matroska", "mov"})
"""Containers with a time line of their own, as in `services.capture.film_source`."""
LONGEST_SILENCE_NS: Final = 10_000_000_000
"""A longer step, or one back, is a jump in the film's time stamps. Pictures are closed up there,
and nothing says by how much: the sound ends."""
SEEK_NS: Final = 2_000_000_000
"""Further into a film its packets are searched for, nearer they are read through."""
ERRORS: Final = (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)


class FilmSound:
    """The sound of one film, on its way into another.

    What cannot be read is left out.

    Args:
        path: Of the film.
        start: What its stream said of it.
        first: The first result that is written.
        target: The container that it is written to, before anything was.

    Raises:
        OSError: It cannot be read.
        ValueError: It is another film by now, or has no sound from there on.
    """

    def __init__(self, path: Path, start: StreamStart, first: Emotion, target: Any) -> None:
        self._path = path
        self._container = self._open()
        try:
            self._track = _find_sound(self._container, start, (first.width, first.height))
            begin = first.media_time or 0
            # A film may begin a little after its sound does
            self._packets = self._read(begin if begin > SEEK_NS else 0)
            self._next: tuple[int, Any] | None = _first_of(self._packets)
            self._out = self._add_track(target)
        except BaseException:
            self._container.close()
            raise
        self._last_ns = -1
        """Where the last packet lies in the film that is written."""

    def _open(self) -> Any:
        # An absolute path: FFmpeg would take "a:b.mp4" for a protocol. No playlist leads elsewhere
        return av.open(str(self._path.absolute()), options={"protocol_whitelist": "file"})

    def _add_track(self, target: Any) -> Any:
        """Add a track for it to a container."""
        track: Any = self._track
        name = track.codec.canonical_name
        # In transport streams every packet of AAC has a head of its own, which MP4 has no place for
        is_bare = name != "aac" or bool(track.codec_context.extradata)
        self._is_copied = name in COPIED and is_bare
        if self._is_copied:
            return target.add_stream_from_template(track)
        made = target.add_stream("aac", rate=track.codec_context.sample_rate)
        made.layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
        return made

    def begin(self, media_time: int) -> None:
        """Go on at a moment of the film, in ns as `Frame.media_time`."""
        with suppress(*ERRORS):
            self._container.close()
        self._next, self._packets = None, iter(())
        with suppress(*ERRORS):
            self._container = self._open()
            self._track = self._container.streams.best("audio")
            self._packets = self._read(media_time)

    def until(self, media_time: int, shift: int) -> Iterator[Any]:
        """Packets up to a moment of the film, and the one that follows it.

        Without that one a picture of this moment would wait in the muxer for it.

        Args:
            media_time: In ns.
            shift: From the film's times to those of the film that is written, in ns.
        """
        while True:
            self._next = self._next or next(self._packets, None)
            if self._next is None:
                return
            at, packet = self._next
            self._next = None
            if at + shift > self._last_ns:
                self._last_ns = at + shift
                yield from self._shifted(packet, shift)
            if at > media_time:
                return

    def _read(self, begin: int) -> Iterator[tuple[int, Any]]:
        """The packets from a moment on, each with its time in ns, up to a jump."""
        track: Any = self._track
        names = set(self._container.format.name.split(","))
        origin = 0 if names & ZERO_BASED else 1000 * (self._container.start_time or 0)
        last = None
        with suppress(*ERRORS):
            if begin > SEEK_NS:
                self._container.seek((begin + origin - SEEK_NS // 2) // 1000)
            for packet in self._container.demux(track):
                if packet.pts is None or not packet.size:
                    continue
                at = int(packet.pts * track.time_base * 10**9) - origin
                if last is not None and not 0 <= at - last <= LONGEST_SILENCE_NS:
                    return
                last = at
                if at >= begin:
                    yield at, packet

    def _shifted(self, packet: Any, shift: int) -> Iterator[Any]:
        """A packet for the film that is written."""
        if not self._is_copied:
            yield from self._encoded(packet, shift)
            return
        ticks = round(shift / 10**9 / self._track.time_base)
        packet.pts += ticks
        packet.dts = packet.pts if packet.dts is None else packet.dts + ticks
        packet.stream = self._out
        yield packet

    def _encoded(self, packet: Any, shift: int) -> Iterator[Any]:
        with suppress(*ERRORS):
            for frame in packet.decode():
                frame.pts += round(shift / 10**9 / frame.time_base)
                yield from self._out.encode(frame)

    def close(self) -> Iterator[Any]:
        """Close the film; what the encoder still has."""
        with suppress(*ERRORS):
            if not self._is_copied:
                yield from self._out.encode(None)
        with suppress(*ERRORS):
            self._container.close()


def open_sound(start: StreamStart, first: Emotion, target: Any) -> FilmSound | None:
    """The sound of a stream's film; None where it has none, or the film is not here.

    Args:
        start: Of the stream.
        first: Its first result that is written.
        target: The container that it is written to, before anything was.
    """
    path = source_path(start.source) if start.kind == "film" and not start.replay else None
    if path is None or not path.is_file():
        return None
    try:
        return FilmSound(path, start, first, target)
    except ERRORS:
        return None


def _first_of(packets: Iterator[tuple[int, Any]]) -> tuple[int, Any]:
    """The first packet.

    Raises:
        ValueError: There is none.
    """
    first = next(packets, None)
    if first is None:
        raise ValueError("no sound from there on")
    return first


def _find_sound(container: Any, start: StreamStart, size: tuple[int, int]) -> Any:
    """The sound of a film.

    Raises:
        ValueError: It has none, or is another film by now.
    """
    video, sound = (container.streams.best(kind) for kind in ("video", "audio"))
    if video is None or sound is None:
        raise ValueError("no sound")
    # A film that was taken upright may lie on its side in its container
    has_other_size = {video.width, video.height} != set(size)
    if has_other_size or (start.frames and video.frames and video.frames != start.frames):
        raise ValueError("another film")
    return sound
