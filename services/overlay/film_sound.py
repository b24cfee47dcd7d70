"""The sound of a film for its annotated video: the film's own packets, at their own times.

The sound is read from the film again while frames are written, and cut to them. Packets are copied
unchanged if MP4 supports their codec, and converted to AAC if not.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import av

from affectline.common.settings.source_kind import source_path
from affectline.common.wire.messages import Emotion, StreamStart

COPIED: Final = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
"""Codecs that MP4 supports; it also supports raw samples, but few players find them."""
ZERO_BASED: Final = frozenset({"avi", "matroska", "mov"})
"""Containers with their own time line, as in `services.capture.film_source`."""
LONGEST_SILENCE_NS: Final = 10_000_000_000
"""A longer step, or a step back, is a jump in the film's time stamps. Frames are closed up there by
an unknown time, so the sound ends."""
SEEK_NS: Final = 2_000_000_000
"""Packets further into a film than this are found by seeking, earlier ones by reading on."""
ERRORS: Final = (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)


class FilmSound:
    """Copies the sound of one film into another.

    Parts that cannot be read are left out.

    Args:
        path: Path of the film.
        start: The start of its stream.
        first: The first result that is written.
        target: The container to write to, still empty.

    Raises:
        OSError: The film cannot be read.
        ValueError: The file is a different film by now, or has no sound from there on.
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
        """Time of the last packet in the video that is written."""

    def _open(self) -> Any:
        # An absolute path: FFmpeg would take the "a" of "a:b.mp4" for a protocol. The whitelist
        # keeps playlists from leading elsewhere
        return av.open(str(self._path.absolute()), options={"protocol_whitelist": "file"})

    def _add_track(self, target: Any) -> Any:
        """Add a track for the sound to a container."""
        track: Any = self._track
        name = track.codec.canonical_name
        # In transport streams every AAC packet has its own header, which MP4 does not support
        is_bare = name != "aac" or bool(track.codec_context.extradata)
        self._is_copied = name in COPIED and is_bare
        if self._is_copied:
            return target.add_stream_from_template(track)
        made = target.add_stream("aac", rate=track.codec_context.sample_rate)
        made.layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
        return made

    def begin(self, media_time: int) -> None:
        """Continue at a time of the film, in ns as in `Frame.media_time`."""
        with suppress(*ERRORS):
            self._container.close()
        self._next, self._packets = None, iter(())
        with suppress(*ERRORS):
            self._container = self._open()
            self._track = self._container.streams.best("audio")
            self._packets = self._read(media_time)

    def until(self, media_time: int, shift: int) -> Iterator[Any]:
        """Packets up to a time of the film, and the one after it.

        Without the last one, a frame of this time would have to wait for it in the muxer.

        Args:
            media_time: Time of the film in ns.
            shift: Shift from the film's times to those of the video that is written, in ns.
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
        """The packets from a time on, each with its time in ns, up to a jump."""
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
        """A packet for the video that is written."""
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
        """Close the film; yield what is left in the encoder."""
        with suppress(*ERRORS):
            if not self._is_copied:
                yield from self._out.encode(None)
        with suppress(*ERRORS):
            self._container.close()


def open_sound(start: StreamStart, first: Emotion, target: Any) -> FilmSound | None:
    """The sound of a stream's film; None if it has none, or the film is not here.

    Args:
        start: The start of the stream.
        first: The stream's first result that is written.
        target: The container to write to, still empty.
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
        ValueError: There are no packets.
    """
    first = next(packets, None)
    if first is None:
        raise ValueError("no sound from there on")
    return first


def _find_sound(container: Any, start: StreamStart, size: tuple[int, int]) -> Any:
    """The sound track of a film.

    Raises:
        ValueError: The film has no sound, or the file is a different film by now.
    """
    video, sound = (container.streams.best(kind) for kind in ("video", "audio"))
    if video is None or sound is None:
        raise ValueError("no sound")
    # A film recorded in portrait may be stored sideways in its container
    has_other_size = {video.width, video.height} != set(size)
    if has_other_size or (start.frames and video.frames and video.frames != start.frames):
        raise ValueError("another film")
    return sound
