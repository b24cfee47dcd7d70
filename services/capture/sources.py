"""Where pictures come from: a camera, a video file, a folder, a network stream, the sample clip."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import CaptureSettings, is_live, redact
from affectline.services.capture.container_check import missing_bytes
from affectline.services.capture.sample_clip import SAMPLE, find_sample

FOLDER_RATE: Final = 25.0
"""Frames a second of a folder of pictures where the settings name none."""
PICTURE_ENDINGS: Final = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
CLAIM_TOLERANCE: Final = 0.9
"""A file that yields fewer frames than this part of what it claims is called truncated. Sound
files are off by a few per cent (the container counts audio time or dropped frames)."""
NETWORK_TIMEOUT_MS: Final = 5000


class SourceFrame(NamedTuple):
    """One picture: ``(H, W, 3) uint8`` BGR, and its time in the file in ns (None if live)."""

    image: NDArray[np.uint8]
    media_time: int | None


class SourceEnd(NamedTuple):
    """How a source ended."""

    reason: Literal["end", "truncated", "lost"]
    detail: str = ""


class Source(Protocol):
    """An open source of pictures."""

    live: bool
    rate: float | None
    frames: int | None

    def read(self) -> SourceFrame | None:
        """Next picture; None at the end."""

    def ending(self) -> SourceEnd:
        """After the last picture: how it ended."""

    def close(self) -> None:
        """Let go of the device or file."""


def open_source(source: str, settings: CaptureSettings) -> Source:
    """Open a source.

    Raises:
        AffectlineError: It is not there, cannot be opened or holds no picture.
    """
    if source == SAMPLE:
        source = str(find_sample())
    if is_live(source):
        return VideoSource(source, settings)
    path = Path(source)
    try:
        path.stat()
        if path.is_dir():
            return FolderSource(path, settings.rate or FOLDER_RATE)
        path.open("rb").close()
    except OSError as error:
        what = error.strerror or str(error)
        raise AffectlineError(
            f"--source {source}: {what[0].lower()}{what[1:]}",
            "give a camera index, a video file, a folder of pictures, an RTSP or HTTP address, "
            f"or {SAMPLE!r}",
        ) from error
    return VideoSource(source, settings)


class VideoSource:
    """A camera, a network stream or a video file, through OpenCV's FFmpeg and camera back ends."""

    def __init__(self, source: str, settings: CaptureSettings) -> None:
        self._source = source
        self._reader = _open_reader(source)
        if source.isdecimal():
            _ask(self._reader, settings)
        if not self._reader.isOpened():
            self._reader.release()
            raise _cannot_open(source)
        claimed = self._reader.get(cv2.CAP_PROP_FRAME_COUNT)
        rate = self._reader.get(cv2.CAP_PROP_FPS)
        self.frames = int(claimed) if math.isfinite(claimed) and 0 < claimed < 2**53 else None
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else None
        self.live = is_live(source) and self.frames is None
        self._read = 0
        self._last_time = -1
        self._first: SourceFrame | None = None
        self._first = self.read()
        if self._first is None:
            self._reader.release()
            raise _no_frames(source)
        if self.live:
            self._first = None  # it proved that there are pictures; by the next one it is old

    def read(self) -> SourceFrame | None:
        """Next picture, upright according to the file's rotation metadata; None at the end."""
        if self._first is not None:
            picture, self._first = self._first, None
            return picture
        ok, image = self._reader.read()
        if not ok or image is None:
            return None
        self._read += 1
        return SourceFrame(np.asarray(image, dtype=np.uint8), None if self.live else self._time())

    def _time(self) -> int:
        """Time of the picture just read, strictly increasing even where the file's is not."""
        told = self._reader.get(cv2.CAP_PROP_POS_MSEC)
        step = int(1e9 / (self.rate or FOLDER_RATE))
        time = round(told * 1e6) if math.isfinite(told) and told >= 0 else -1
        if time <= self._last_time:
            time = self._last_time + step if self._last_time >= 0 else 0
        self._last_time = time
        return time

    def ending(self) -> SourceEnd:
        if self.live:
            return SourceEnd("lost", f"{redact(self._source)} gives no more pictures")
        lost = 0 if is_live(self._source) else _missing(Path(self._source))
        if lost or (self.frames and self._read < CLAIM_TOLERANCE * self.frames):
            of = f" of about {self.frames}" if self.frames else ""
            missing = f", {lost} bytes are missing at its end" if lost else ""
            return SourceEnd(
                "truncated", f"{self._source} is truncated: read {self._read}{of} frames{missing}"
            )
        return SourceEnd("end")

    def close(self) -> None:
        self._reader.release()


def _open_reader(source: str) -> cv2.VideoCapture:
    if source.isdecimal():
        return cv2.VideoCapture(int(source))
    if is_live(source):
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    # An absolute path: FFmpeg would take "a:b.mp4" for a protocol
    return cv2.VideoCapture(str(Path(source).absolute()), cv2.CAP_FFMPEG)


def _ask(camera: cv2.VideoCapture, settings: CaptureSettings) -> None:
    """Ask a camera for its size and rate; it takes the nearest that it has."""
    if settings.camera_width:
        # USB cameras give large pictures at full rate as JPEG only. V4L2 takes format, size and
        # rate in this order, and a size when it knows both sides.
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, settings.camera_width)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, round(settings.camera_width * 9 / 16))
    if settings.rate:
        camera.set(cv2.CAP_PROP_FPS, settings.rate)


def _missing(path: Path) -> int:
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
    lost = _missing(Path(source))
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


class FolderSource:
    """A folder of pictures, in the order of their names with numbers counted as numbers."""

    live = False

    def __init__(self, path: Path, rate: float) -> None:
        self._folder = path
        found = [
            p for p in path.iterdir()
            if p.suffix.lower() in PICTURE_ENDINGS and not p.name.startswith(".")
        ]  # fmt: skip
        self._paths = sorted(found, key=_natural)
        if not self._paths:
            raise AffectlineError(
                f"--source {path}: the folder holds no picture",
                f"put in files ending in {', '.join(sorted(PICTURE_ENDINGS))}",
            )
        self.rate: float | None = rate
        self.frames: int | None = len(self._paths)
        self._unreadable: list[str] = []
        self._pictures = self._iterate()

    def _iterate(self) -> Iterator[SourceFrame]:
        for i, path in enumerate(self._paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                self._unreadable.append(path.name)
                continue
            yield SourceFrame(
                np.asarray(image, dtype=np.uint8), round(i * 1e9 / (self.rate or FOLDER_RATE))
            )

    def read(self) -> SourceFrame | None:
        """Next picture that can be read; None at the end."""
        return next(self._pictures, None)

    def ending(self) -> SourceEnd:
        if self._unreadable:
            return SourceEnd(
                "truncated",
                f"{self._folder}: {len(self._unreadable)} of {len(self._paths)} pictures "
                f"could not be read, first {self._unreadable[0]}",
            )
        return SourceEnd("end")

    def close(self) -> None:
        self._pictures.close()  # type: ignore[attr-defined]


def _natural(path: Path) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", path.name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p]
