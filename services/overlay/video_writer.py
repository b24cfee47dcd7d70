"""Writes annotated videos: one MP4 file per stream, each frame at its own time, with sound.

Every frame is handed to the operating system in its own fragment, so a killed process loses only
the frame that it was encoding, and the file still plays. A file that is closed properly becomes a
plain MP4 with one index. Browsers, office programs and phones all play H.264.
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
"""A longer gap in a camera's stream is left out of the video; in a film it is kept."""
DEFAULT_RATE: Final = 25.0
TICKS: Final = 60_000
"""Ticks per second in the files: times of frames are accurate to 8 microseconds."""
ENCODER: Final = "libx264"
ENCODING: Final = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
"""Constant quality, because control by bit rate would need a constant frame rate; and no frame
waits in the encoder for later ones. It costs 3 ms for a frame of 640x360."""
FRAGMENTED: Final = {
    "movflags": "hybrid_fragmented+delay_moov+default_base_moof",
    "frag_duration": "1",
    "flush_packets": "1",
    "max_interleave_delta": "1",
}
"""Delaying the header until the first frame has arrived keeps that frame's time. A packet begins a
fragment if its own track has one that is not empty. ``frag_every_frame`` does so even if that is
empty, and then takes the packet's time from the next one in the queue, which holds several if a
film has sound. After the sound has ended, a frame waits for the next one, but not longer."""
MARKER: Final = b"Annotated by Affectline"
"""Comment in the files, which tells them from other films."""
KEY_INTERVAL_S: Final = 2.0
"""Seconds between key frames, to which players can jump."""


class VideoWriteError(AffectlineError):
    """A video cannot be written, or not completed.

    Args:
        path: Path of the video.
        error: The cause.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        problem = f"cannot write {path} ({error.strerror or error})"
        super().__init__(problem, "check the space and the permissions")
        self.path = path


class AnnotatedVideoWriter(OverlayRenderer):
    """Writes one annotated MP4 per stream, with the times of the source, even at a variable rate.

    Args:
        folder: The folder for the files.
        stats: Whether to show the pipeline's rate and latency as well.
        sound: Whether films keep their sound. Not if faces are blurred, because voices identify
            people as well.
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
        """Keep the file open: results may follow, and streams may begin again."""

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
        """Return nothing: there are no keys to read."""
        return ()

    def close(self) -> None:
        """Finish all videos.

        Raises:
            VideoWriteError: A video cannot be written; the others are finished.
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
        folder: The folder for the file.
        emotion: The first result of the stream.
        first: The image of that result; all others get its size.
        rate: Images a second, for the duration of the last one.
        start: The start of the stream to take the sound from; None: no sound.

    Raises:
        VideoWriteError: The disk is full, or permission is missing.
    """

    def __init__(
        self,
        folder: Path,
        emotion: Emotion,
        first: Image,
        rate: float,
        start: StreamStart | None = None,
    ) -> None:
        # A restarted sink writes another file, and the first part stays unchanged. No stream has a
        # plus in its name.
        stream = emotion.stream
        names = [f"{stream}.mp4", *(f"{stream}+{i}.mp4" for i in range(2, 1000))]
        self._path = next(p for n in names if not (p := folder / n).exists())
        self._interval_ns = round(1e9 / rate)
        # Colour is stored for blocks of two by two pixels, so sizes have to be even
        self._size = (max(2, first.shape[1] // 2 * 2), max(2, first.shape[0] // 2 * 2))
        try:
            self._container = av.open(str(self._path), "w", format="mp4", options=FRAGMENTED)
            self._container.metadata["comment"] = MARKER.decode()
        except OSError as error:
            raise VideoWriteError(self._path, error) from error
        # The rate is a hint to encoders; every image has its own time
        self._track = self._container.add_stream(
            ENCODER, rate=round(rate) or 1, options=dict(ENCODING)
        )
        # One core per process: the pipeline runs processes in parallel
        self._track.codec_context.thread_count = 1
        self._track.codec_context.gop_size = max(1, round(rate * KEY_INTERVAL_S))
        self._track.width, self._track.height = self._size
        self._track.pix_fmt = "yuv420p"
        self._track.time_base = self._track.codec_context.time_base = Fraction(1, TICKS)
        self._sound: FilmSound | None = None
        if start is not None:
            self._sound = open_sound(start, emotion, self._container)
        self._shift: int | None = None
        """Shift from a frame's time to its time in the file, in ns."""
        self._last: Emotion | None = None
        self._last_tick = -1

    def add(self, image: Image, emotion: Emotion) -> None:
        """Add the image of a frame.

        Raises:
            VideoWriteError: The disk is full.
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
        """Add the sound for the frames up to a time of the film.

        The sound is added after the frames: a fragment is completed when a packet of the other
        track begins one, and lasts until the next packet of its own track, which has to be known by
        then.
        """
        if self._sound is not None and until is not None and self._shift is not None:
            try:
                for packet in self._sound.until(until, self._shift):
                    self._container.mux(packet)
            except (ValueError, PermissionError):  # FFmpeg refuses a packet: go on without sound
                self._sound = None

    def _place(self, emotion: Emotion) -> int:
        """Time of a frame in the file, in ticks."""
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
            VideoWriteError: The disk is full.
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
    """Time of a frame in ns: a film's media time, as older recordings have no other event time."""
    return emotion.captured_at if emotion.media_time is None else emotion.media_time


def _longest_gap(before: Emotion, after: Emotion) -> float:
    """How long an image may be shown, in ns: within one pass of a film, as long as in the film."""
    is_film = after.media_time is not None or after.file is not None
    return float("inf") if is_film and after.epoch == before.epoch else MAX_GAP_S * 1e9
