"""Annotated videos: an MP4 file a stream."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.services.overlay.drawing import Image
from affectline.services.overlay.renderer import OverlayRenderer

MAX_GAP_S: Final = 2.0
"""A longer gap in a stream is left out of the video."""
DEFAULT_RATE: Final = 25.0


class AnnotatedVideoWriter(OverlayRenderer):
    """One annotated MP4 a stream, at the rate of the source."""

    closed = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._rates: dict[str, float] = {}
        self._files: dict[str, VideoFile] = {}

    def begin(self, start: StreamStart) -> None:
        self._rates[start.stream] = start.rate or DEFAULT_RATE

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        image = self.render(packet, emotion) if packet else None
        if image is None:
            return
        if emotion.stream not in self._files:
            rate = self._rates.get(emotion.stream, DEFAULT_RATE)
            self._files[emotion.stream] = VideoFile(self._folder, emotion.stream, image, rate)
        at = emotion.captured_at
        self._files[emotion.stream].add(image, at)

    def refresh(self) -> Iterable[Packet]:
        """There are no keys to read."""
        return ()

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class VideoFile:
    """An MP4 file of constant rate, with each image at its time."""

    def __init__(self, folder: Path, stream: str, first: Image, rate: float) -> None:
        names = [f"{stream}.mp4", *(f"{stream}-{i}.mp4" for i in range(2, 1000))]
        # A sink that was restarted writes another file; the first part stays as it is
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
        if not self._written or not 0 <= at - self._last <= MAX_GAP_S * 1e9:
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
