"""Cameras, and films that PyAV cannot open, read through OpenCV."""

import contextlib
import math
from typing import Any, Final

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import kind_of
from affectline.common.settings.sources import CaptureSettings
from affectline.services.capture.frame_image import FrameImage, JpegImage, YuyvImage
from affectline.services.capture.frame_source import Bgr, Notes, SourceEnd, SourceFrame

DEFAULT_RATE: Final = 25.0
"""Frames a second of a file without times and without a rate."""
NATIVE_BACKEND: Final = "V4L2"
"""OpenCV's back end that can give frames as the camera sends them: that of Linux."""
NATIVE_FORMATS: Final = ("MJPG", "JPEG", "YUYV")
"""Formats of cameras that are taken as they are; OpenCV converts all others to BGR."""
DAMAGED_IN_A_ROW: Final = 30
"""A camera that gives so many damaged frames one after another counts as lost: about a second."""


class VideoSource:
    """A camera, or a film that only OpenCV's back ends can open.

    Raises:
        AffectlineError: It cannot be opened, or has no frame.
    """

    duration_s: float | None = None

    def __init__(self, source: str, settings: CaptureSettings) -> None:
        self._source = source
        self.live = kind_of(source) == "camera"
        self.damage, self.remarks = Notes("could not be read"), Notes("")
        self._capture = _open_capture(source, is_camera=self.live)
        if self.live:
            request_format(self._capture, settings)
        if not self._capture.isOpened():
            self._capture.release()
            raise _cannot_open(source, is_camera=self.live)
        if self.live:
            request_native_frames(self._capture)
        claimed = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames = int(claimed) if math.isfinite(claimed) and 0 < claimed < 2**53 else None
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else None
        self._last_time = -1
        self._lost = f"{source} sends no more frames"
        self._first: SourceFrame | None = None
        self._first = self.read()
        if self._first is None:
            self._capture.release()
            raise AffectlineError(
                f"--source {source}: has no readable frame",
                "check it with a video player",
            )
        if self.live:
            self._first = None  # it only proves that there are frames, and will soon be stale

    def read(self) -> SourceFrame | None:
        """The next frame, upright according to the file's rotation metadata; None at the end."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        for _ in range(DAMAGED_IN_A_ROW):
            if not self._capture.grab():
                return None
            ok, image = self._capture.retrieve()
            if not ok and not self.live:
                return None
            with contextlib.suppress(ValueError):
                return SourceFrame(_unpack(image), None if self.live else self._time())
            self.damage.add("a frame that the camera has cut off")
        self._lost = f"{self._source} sends only damaged frames"
        return None

    def _time(self) -> int:
        """Time of the frame just read; it always increases, even if the file's times do not."""
        reported = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        step = int(1e9 / (self.rate or DEFAULT_RATE))
        time = round(reported * 1e6) if math.isfinite(reported) and reported >= 0 else -1
        if time <= self._last_time:
            time = self._last_time + step if self._last_time >= 0 else 0
        self._last_time = time
        return time

    def ending(self) -> SourceEnd:
        if self.live:
            return SourceEnd("lost", self._lost)
        return SourceEnd("end")

    def close(self) -> None:
        self._capture.release()


def _open_capture(source: str, *, is_camera: bool) -> cv2.VideoCapture:
    if is_camera and source.isdecimal():
        return cv2.VideoCapture(int(source))
    if is_camera:  # a device file: FFmpeg would open it as well, at a size of its own choice
        return cv2.VideoCapture(source, cv2.CAP_V4L2)
    return cv2.VideoCapture(source)


def request_format(camera: cv2.VideoCapture, settings: CaptureSettings) -> None:
    """Request a size and a rate from a camera, which uses the nearest that it supports."""
    if settings.camera_width:
        # USB cameras deliver large frames at full rate only as JPEG. V4L2 needs format, size and
        # rate in this order, and applies a size once it has both sides.
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, settings.camera_width)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, round(settings.camera_width * 9 / 16))
    if settings.rate:
        camera.set(cv2.CAP_PROP_FPS, settings.rate)


def request_native_frames(camera: cv2.VideoCapture) -> None:
    """Take frames as the camera sends them, if it is one whose format is known."""
    if camera.getBackendName() != NATIVE_BACKEND:
        return
    code = int(camera.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF  # -1 where it is not known
    if code.to_bytes(4, "little").decode("ascii", "replace") in NATIVE_FORMATS:
        camera.set(cv2.CAP_PROP_CONVERT_RGB, 0)


def _unpack(image: Any) -> Bgr | FrameImage:
    """A frame as OpenCV gives it: a JPEG file in one row, YUYV in two channels, or BGR.

    Raises:
        ValueError: It is empty, or not a whole JPEG file.
    """
    if image is None or not image.size:
        raise ValueError("empty")
    array = np.asarray(image, dtype=np.uint8)
    if array.ndim == 3 and array.shape[2] == 3:
        return array
    if array.ndim == 3 and array.shape[2] == 2:
        return YuyvImage(array)
    return JpegImage(array.tobytes())


def _cannot_open(source: str, *, is_camera: bool) -> AffectlineError:
    if is_camera:
        device = f"/dev/video{source}" if source.isdecimal() else source
        return AffectlineError(
            f"--source {source}: camera {source} cannot be opened",
            "check that it is plugged in, that no other program uses it and that you may read "
            f"{device}; affectline doctor shows more",
        )
    return AffectlineError(
        f"--source {source}: not a video that can be opened",
        "convert it, for example with: ffmpeg -i IN -c:v libx264 OUT.mp4",
    )
