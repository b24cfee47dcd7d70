"""Annotated videos: an MP4 file a stream, each picture at its own time.

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
    "movflags": "hybrid_fragmented+frag_every_frame+delay_moov+default_base_moof",
    "flush_packets": "1",
}
"""Delaying the header until the first picture is there keeps the time at which it stands."""
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
    """One annotated MP4 a stream, with the times of the source: also where its rate varies."""

    closed = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._rates: dict[str, float] = {}
        self._files: dict[str, VideoFile] = {}

    def begin(self, start: StreamStart) -> None:
        self._rates[start.stream] = start.rate or DEFAULT_RATE

    def end(self, end: StreamEnd) -> None:
        """Its file stays open: results may follow, and streams begin again."""

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        image = self.render(packet, emotion) if packet else None
        if image is None:
            return
        if emotion.stream not in self._files:
            rate = self._rates.get(emotion.stream, DEFAULT_RATE)
            self._files[emotion.stream] = VideoFile(self._folder, emotion.stream, image, rate)
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
        stream: Its name.
        first: The first image: all others get its size.
        rate: Images a second, for the length of the last one.

    Raises:
        VideoWriteError: There is no room, or no permission.
    """

    def __init__(self, folder: Path, stream: str, first: Image, rate: float) -> None:
        # A sink that was restarted writes another file, and the first part stays as it is. No
        # stream has a plus in its name.
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
        except OSError as error:
            raise VideoWriteError(self._path, error) from error

    def _place(self, emotion: Emotion) -> int:
        """Where a frame lies in the file, in ticks."""
        at, last = _time_of(emotion), self._last
        if self._shift is None or last is None:
            # A film may begin a little after its container does
            into = emotion.media_time or 0
            self._shift = (into if into <= MAX_GAP_S * 1e9 else 0) - at
        elif not 0 <= at - _time_of(last) <= _longest_gap(last, emotion):
            self._shift += _time_of(last) + self._interval_ns - at
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
            self._container.mux(self._track.encode(None))
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
