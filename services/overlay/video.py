"""Answered frames with their overlay, and films of them."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.overlay.drawing import Image, Status, draw

MAX_FRAMES: Final = 64
"""Frames of a stream that wait for their result; in lossless delivery at most 16 are in flight."""
LONGEST_GAP_S: Final = 2.0
"""A longer gap in a stream is left out of the film."""
RATE_WINDOW_S: Final = 2.0
DEFAULT_RATE: Final = 25.0


class OverlayDisplay:
    """Matches results with their frames, and measures rate, latency and skips for the overlay."""

    def __init__(self) -> None:
        self._frames: dict[str, OrderedDict[tuple[int, int], Packet]] = {}
        self._published: dict[str, deque[int]] = {}
        self._skipped: dict[str, int] = {}

    def add_frame(self, packet: Packet) -> None:
        """Buffer a frame until its result arrives."""
        frame = packet.message
        if isinstance(frame, Frame):
            frames = self._frames.setdefault(frame.stream, OrderedDict())
            frames[frame.epoch, frame.seq] = packet
            while len(frames) > MAX_FRAMES:
                frames.popitem(last=False)

    def match(self, emotion: Emotion) -> Packet | None:
        """Remove and return the frame of a result, if it is still buffered."""
        # By the times of the results: those of a recording yield the rate that it had
        times = self._published.setdefault(emotion.stream, deque())
        if times and emotion.published_at < times[-1]:
            times.clear()
        times.append(emotion.published_at)
        while times[-1] - times[0] > RATE_WINDOW_S * 1e9:
            times.popleft()
        missed = bool(emotion.missing) or any(face.missing for face in emotion.faces)
        self._skipped[emotion.stream] = self._skipped.get(emotion.stream, 0) + missed
        frames = self._frames.get(emotion.stream, OrderedDict())
        return frames.pop((emotion.epoch, emotion.seq), None)

    def render(self, packet: Packet, emotion: Emotion) -> Image | None:
        """Decode a frame and draw its result onto it; None if it is damaged."""
        frame = packet.message
        image = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if image is None:
            return None
        times = self._published[emotion.stream]
        rate = (len(times) - 1) * 1e9 / max(1, times[-1] - times[0])
        latency = (emotion.published_at - emotion.captured_at) / 1e6
        return draw(image, emotion, Status(rate, latency, self._skipped[emotion.stream]))


class AnnotatedVideo(OverlayDisplay):
    """One annotated MP4 file for each stream, at the nominal rate of its source."""

    closed = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._rates: dict[str, float] = {}
        self._writers: dict[str, VideoFile] = {}

    def begin(self, start: StreamStart) -> None:
        self._rates[start.stream] = start.rate or DEFAULT_RATE

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        image = self.render(packet, emotion) if packet else None
        if image is None:
            return
        if emotion.stream not in self._writers:
            rate = self._rates.get(emotion.stream, DEFAULT_RATE)
            self._writers[emotion.stream] = VideoFile(self._folder, emotion.stream, image, rate)
        at = emotion.captured_at if emotion.media_time is None else emotion.media_time
        self._writers[emotion.stream].add(image, at)

    def show(self) -> Iterable[Packet]:
        return ()

    def close(self) -> None:
        for film in self._writers.values():
            film.close()


class VideoFile:
    """An MP4 file of constant rate whose images are placed by their time."""

    def __init__(self, folder: Path, stream: str, first: Image, rate: float) -> None:
        names = [f"{stream}.mp4", *(f"{stream}-{i}.mp4" for i in range(2, 1000))]
        # A sink that was restarted starts another film, the first part stays as it is
        path = next(p for n in names if not (p := folder / n).exists())
        self._rate, self._size = rate, (first.shape[1], first.shape[0])
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, self._size)
        if not self._writer.isOpened():
            raise AffectlineError(f"cannot write {path}", "check the space and the permissions")
        self._begun = self._last = 0
        self._written = 0

    def add(self, image: Image, at: int) -> None:
        """Add an image of the time ``at`` in ns; it is repeated where others are missing."""
        if not self._written or not 0 <= at - self._last <= LONGEST_GAP_S * 1e9:
            self._begun = at - round(self._written * 1e9 / self._rate)
        self._last = at
        due = round((at - self._begun) / 1e9 * self._rate) + 1
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), dtype=np.uint8)
        for _ in range(due - self._written):
            self._writer.write(image)
        self._written = max(self._written, due)

    def close(self) -> None:
        """Write the index: without it the file cannot be played."""
        self._writer.release()
