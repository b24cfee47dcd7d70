"""Cameras, network streams and video files, through OpenCV."""

import math
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.sources import CaptureSettings, is_live, redact
from affectline.services.capture.container_check import missing_bytes
from affectline.services.capture.frame_source import SourceEnd, SourceFrame

DEFAULT_RATE: Final = 25.0
"""Frames a second of a file that has neither times nor a rate."""
CLAIM_TOLERANCE: Final = 0.9
"""A file that yields fewer frames than this part of what it claims is called truncated. Sound
files are off by a few per cent (the container counts audio time or dropped frames)."""
NETWORK_TIMEOUT_MS: Final = 5000


class VideoSource:
    """A camera, a network stream or a video file, through OpenCV's FFmpeg and camera back ends."""

    def __init__(self, source: str, settings: CaptureSettings) -> None:
        self._source = source
        self._capture = _open_capture(source)
        if source.isdecimal():
            request_format(self._capture, settings)
        if not self._capture.isOpened():
            self._capture.release()
            raise _cannot_open(source)
        claimed = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames = int(claimed) if math.isfinite(claimed) and 0 < claimed < 2**53 else None
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else None
        self.live = is_live(source) and self.frames is None
        self._read = 0
        self._last_time = -1
        self._first: SourceFrame | None = None
        self._first = self.read()
        if self._first is None:
            self._capture.release()
            raise _no_frames(source)
        if self.live:
            self._first = None  # it proved that there are frames; by the next one it is old

    def read(self) -> SourceFrame | None:
        """Next frame, upright according to the file's rotation metadata; None at the end."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        ok, image = self._capture.read()
        if not ok or image is None:
            return None
        self._read += 1
        return SourceFrame(np.asarray(image, dtype=np.uint8), None if self.live else self._time())

    def _time(self) -> int:
        """Time of the frame just read, strictly increasing even where the file's is not."""
        reported = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        step = int(1e9 / (self.rate or DEFAULT_RATE))
        time = round(reported * 1e6) if math.isfinite(reported) and reported >= 0 else -1
        if time <= self._last_time:
            time = self._last_time + step if self._last_time >= 0 else 0
        self._last_time = time
        return time

    def ending(self) -> SourceEnd:
        if self.live:
            return SourceEnd("lost", f"{redact(self._source)} gives no more pictures")
        lost = 0 if is_live(self._source) else _missing_bytes(Path(self._source))
        if lost or (self.frames and self._read < CLAIM_TOLERANCE * self.frames):
            of = f" of about {self.frames}" if self.frames else ""
            missing = f", {lost} bytes are missing at its end" if lost else ""
            return SourceEnd(
                "truncated", f"{self._source} is truncated: read {self._read}{of} frames{missing}"
            )
        return SourceEnd("end")

    def close(self) -> None:
        self._capture.release()


def _open_capture(source: str) -> cv2.VideoCapture:
    if source.isdecimal():
        return cv2.VideoCapture(int(source))
    if is_live(source):
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    # An absolute path: FFmpeg would take "a:b.mp4" for a protocol
    return cv2.VideoCapture(str(Path(source).absolute()), cv2.CAP_FFMPEG)


def request_format(camera: cv2.VideoCapture, settings: CaptureSettings) -> None:
    """Request size and rate from a camera, which uses the nearest that it has."""
    if settings.camera_width:
        # USB cameras give large pictures at full rate as JPEG only. V4L2 takes format, size and
        # rate in this order, and a size when it knows both sides.
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, settings.camera_width)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, round(settings.camera_width * 9 / 16))
    if settings.rate:
        camera.set(cv2.CAP_PROP_FPS, settings.rate)


def _missing_bytes(path: Path) -> int:
    try:
        return missing_bytes(path)
    except OSError:  # the disk was pulled out meanwhile: what was read counts
        return 0


def _cannot_open(source: str) -> AffectlineError:
    if source.isdecimal():
        return AffectlineError(
            f"--source {source}: camera {source} cannot be opened",
            "check that it is plugged in, that no other program uses it and that you may read "
            f"/dev/video{source}; affectline doctor tells more",
        )
    if is_live(source):
        return AffectlineError(
            f"--source {redact(source)}: nothing answers there", "check the address and the network"
        )
    lost = _missing_bytes(Path(source))
    if lost:
        return AffectlineError(
            f"--source {source}: truncated, {lost} bytes are missing at its end, with its index",
            "copy the file again; no frame can be read without the index",
        )
    return AffectlineError(
        f"--source {source}: not a video that can be opened",
        "convert it, for example with: ffmpeg -i IN -c:v libx264 OUT.mp4",
    )


def _no_frames(source: str) -> AffectlineError:
    return AffectlineError(
        f"--source {redact(source)}: has no frame that can be read", "check it with a video player"
    )
