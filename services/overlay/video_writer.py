"""Annotated videos: an MP4 file a stream, each picture at its own time, with the film's sound.

Every picture is handed to the operating system in a fragment of its own, so a process that is
killed loses the one that it was encoding, and what is there plays. A file that is closed properly
becomes a plain MP4 with one index. H.264 is what browsers, office programs and phones all play.
"""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Emotion, Packet, StreamEnd, StreamStart
from affectline.services.overlay.drawing import Image
from affectline.services.overlay.film_sound import FilmSound, open_sound
from affectline.services.overlay.renderer import OverlayRenderer

MAX_GAP_S: Final = 2.0
"""A longer gap in a camera's stream is left out of the video; in a film it is part of it."""
DEFAULT_RATE: Final = 25.0
TICKS: Final = 60_000
"""Ticks of a second in the files: the pictures' times are right to 8 microseconds."""
ENCODER: Final = "libx264"
ENCODING: Final = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
"""A constant quality, for control by a bit rate would need a constant frame rate, and no picture
that waits in the encoder for later ones. Costs 3 ms a picture of 640x360."""
FRAGMENTED: Final = {
    "movflags": "hybrid_fragmented+delay_moov+default_base_moof",
    "frag_duration": "1",
    "flush_packets": "1",
    "max_interleave_delta": "1",
}
"""Delaying the header until the first picture is there keeps the time at which it stands. A packet
begins a fragment where its own track has one that is not empty: ``frag_every_frame`` does so too
where it is empty, and then takes the packet's time from the one behind it in the queue, of which
there are several where a film has sound. A picture waits for the next one where the sound has
ended, and not longer."""
KEY_INTERVAL_S: Final = 2.0
"""Players jump to a picture every so often."""


class VideoWriteError(AffectlineError):
    """A video cannot be written, or not to its end.

    Args:
        path: Of the video.
        error: Why.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        problem = f"cannot write {path} ({error.strerror or error})"
        super().__init__(problem, "check the space and the permissions")
        self.path = path


class AnnotatedVideoWriter(OverlayRenderer):
    """One annotated MP4 a stream, with the times of the source: also where its rate varies.

    Args:
        folder: Where they are written.
        stats: Write the pipeline's rate and latency onto them, too.
        sound: Films keep their sound. Not where faces are blurred: voices are known, too.
    """

    closed = False

    def __init__(self, folder: Path, *, stats: bool = False, sound: bool = True) -> None:
        super().__init__(stats=stats)
        self._folder, self._sound = folder, sound
        self._starts: dict[str, StreamStart] = {}
        self._files: dict[str, VideoFile] = {}

    def begin(self, start: StreamStart) -> None:
        super().begin(start)
        self._starts[start.stream] = start

    def end(self, end: StreamEnd) -> None:
        """Its file stays open: results may follow, and streams begin again."""

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        image = self.render(packet, emotion) if packet else None
        if image is None:
            return
        if emotion.stream not in self._files:
            start = self._starts.get(emotion.stream)
            rate = (start.rate if start else None) or DEFAULT_RATE
            heard = start if self._sound else None
            self._files[emotion.stream] = VideoFile(self._folder, emotion, image, rate, heard)
        self._files[emotion.stream].add(image, emotion)

    def refresh(self) -> Iterable[Packet]:
        """There are no keys to read."""
        return ()

    def close(self) -> None:
        """Finish all videos.

        Raises:
            VideoWriteError: One of them cannot be written; the others are.
        """
        problem: VideoWriteError | None = None
        while self._files:
            _, file = self._files.popitem()
            try:
                file.close()
            except VideoWriteError as error:
                problem = error
        if problem:
            raise problem


class VideoFile:
    """An MP4 file with each image at its time.

    A film's times are those of its container, as a player shows it; a camera's begin at 0.

    Args:
        folder: Where it is written.
        emotion: The first result of the stream.
        first: Its image: all others get its size.
        rate: Images a second, for the length of the last one.
        start: The start of the stream whose sound it has; None: no sound.

    Raises:
        VideoWriteError: There is no room, or no permission.
    """

    def __init__(
        self,
        folder: Path,
        emotion: Emotion,
        first: Image,
        rate: float,
        start: StreamStart | None = None,
    ) -> None:
        # A sink that was restarted writes another file, and the first part stays as it is. No
        # stream has a plus in its name.
        stream = emotion.stream
        names = [f"{stream}.mp4", *(f"{stream}+{i}.mp4" for i in range(2, 1000))]
        self._path = next(p for n in names if not (p := folder / n).exists())
        self._interval_ns = round(1e9 / rate)
        # Each colour is stored for two by two pixels
        self._size = (max(2, first.shape[1] // 2 * 2), max(2, first.shape[0] // 2 * 2))
        try:
            self._container = av.open(str(self._path), "w", format="mp4", options=FRAGMENTED)
        except OSError as error:
            raise VideoWriteError(self._path, error) from error
        # The rate is a hint to encoders; every image has its own time
        self._track = self._container.add_stream(
            ENCODER, rate=round(rate) or 1, options=dict(ENCODING)
        )
        # One core a process: the pipeline's parallelism is its processes
        self._track.codec_context.thread_count = 1
        self._track.codec_context.gop_size = max(1, round(rate * KEY_INTERVAL_S))
        self._track.width, self._track.height = self._size
        self._track.pix_fmt = "yuv420p"
        self._track.time_base = self._track.codec_context.time_base = Fraction(1, TICKS)
        self._sound: FilmSound | None = None
        if start is not None:
            self._sound = open_sound(start, emotion, self._container)
        self._shift: int | None = None
        """From a frame's time to its place in the file, in ns."""
        self._last: Emotion | None = None
        self._last_tick = -1

    def add(self, image: Image, emotion: Emotion) -> None:
        """Add the image of a frame.

        Raises:
            VideoWriteError: There is no room.
        """
        tick = self._place(emotion)
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), dtype=np.uint8)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        picture.pts, picture.time_base = tick, Fraction(1, TICKS)
        try:
            self._container.mux(self._track.encode(picture))
            self._add_sound(emotion.media_time)
        except OSError as error:
            raise VideoWriteError(self._path, error) from error

    def _add_sound(self, until: int | None) -> None:
        """Add the sound that belongs to the pictures up to a moment of the film.

        It comes behind them: a fragment is written to its end when a packet of the other track
        begins one, and lasts until the next packet of its own, which has to be known by then.
        """
        if self._sound is not None and until is not None and self._shift is not None:
            try:
                for packet in self._sound.until(until, self._shift):
                    self._container.mux(packet)
            except (ValueError, PermissionError):  # FFmpeg refuses a packet: the pictures go on
                self._sound = None

    def _place(self, emotion: Emotion) -> int:
        """Where a frame lies in the file, in ticks."""
        at, last = _time_of(emotion), self._last
        if self._shift is None or last is None:
            # A film may begin a little after its container does
            into = emotion.media_time or 0
            self._shift = (into if into <= MAX_GAP_S * 1e9 else 0) - at
        elif not 0 <= at - _time_of(last) <= _longest_gap(last, emotion):
            self._shift += _time_of(last) + self._interval_ns - at
            if self._sound is not None:
                self._sound.begin(at)
        self._last = emotion
        tick = max(self._last_tick + 1, round((at + self._shift) * TICKS / 1e9))
        self._last_tick = tick
        return tick

    def close(self) -> None:
        """Write the index of the whole file.

        Raises:
            VideoWriteError: There is no room.
        """
        try:
            if self._last is not None and self._last.media_time is not None:
                self._add_sound(self._last.media_time + self._interval_ns)
            self._container.mux(self._track.encode(None))
            if self._sound is not None:
                for packet in self._sound.close():
                    self._container.mux(packet)
            self._container.close()
        except OSError as error:
            raise VideoWriteError(self._path, error) from error


def _time_of(emotion: Emotion) -> int:
    """When a frame happened, in ns: in recordings by the old clock only a film itself says that."""
    return emotion.captured_at if emotion.media_time is None else emotion.media_time


def _longest_gap(before: Emotion, after: Emotion) -> float:
    """How long an image may stand, in ns: in one go of a film, as long as it does there."""
    is_film = after.media_time is not None or after.file is not None
    return float("inf") if is_film and after.epoch == before.epoch else MAX_GAP_S * 1e9
