"""A camera under Linux for machines that have none: programs read it as they read a real one.

A library that is preloaded into their processes (``device.c``) makes ``/dev/video42`` behave as a
USB camera does, with the formats MJPG and YUYV: OpenCV, and all that reads with it, runs as it is.

    camera = FakeCamera(folder, rate=30)
    camera.give("MJPG", (1920, 1080), motion_jpeg(shots))  # or "YUYV", packed(shots)
    subprocess.run([..., "--source", camera.source], env=os.environ | camera.environment())
    camera.frames_read()  # which frames came through the driver, when, and which were lost

A program gets MJPG if it asks for a width (``capture.camera_width``), and YUYV otherwise: OpenCV
prefers it. A camera that has only one of them gives that one. The bytes of the frames are made
beforehand and only copied while the camera runs, in the process that reads it, where a real driver
also copies them: about 0.1 ms of CPU for MJPG and 0.5 ms for YUYV at 1920x1080.
"""

import functools
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.jpeg_header import read_size

NUMBER: Final = 42
DEVICE: Final = f"/dev/video{NUMBER}"
CODE: Final = Path(__file__).with_name("device.c")
CACHE: Final = Path(__file__).parents[2] / ".cache" / "fake_camera"
TABLES: Final = b"\xff\xc4"
"""The marker of Huffman tables in JPEG files, which cameras leave out."""

Bgr = NDArray[np.uint8]


class ReadFrame(NamedTuple):
    """A frame that a program has read from the driver."""

    number: int
    """From 0 when the stream begins; those that are missing were lost, because no buffer was
    free."""
    came_at: int
    """In ns of the monotonic clock."""
    read_at: int


class FakeCamera:
    """A camera whose frames are in files.

    Args:
        folder: Is made, for the frames.
        rate: Its highest rate, in frames/s. OpenCV asks for 30 unless it is told another.
    """

    source: Final = str(NUMBER)

    def __init__(self, folder: Path, rate: int = 30) -> None:
        self._frames, self._rate = folder / "frames", rate
        self._frames.mkdir(parents=True)
        self._unplugged, self._log = folder / "unplugged", folder / "log.txt"

    def give(
        self, form: Literal["MJPG", "YUYV"], size: tuple[int, int], frames: Iterable[bytes]
    ) -> None:
        """Let it have a format and size (width, height), with these frames over and over."""
        with (self._frames / f"{form}-{size[0]}x{size[1]}").open("wb") as file:
            for frame in frames:
                file.write(struct.pack("=I", len(frame)) + frame)

    def environment(self) -> dict[str, str]:
        """The variables of a process that has the camera, and of those that it starts."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKE_CAMERA_DEVICE": DEVICE,
            "FAKE_CAMERA_FRAMES": str(self._frames),
            "FAKE_CAMERA_RATE": str(self._rate),
            "FAKE_CAMERA_UNPLUG": str(self._unplugged),
            "FAKE_CAMERA_LOG": str(self._log),
        }

    def unplug(self) -> None:
        self._unplugged.touch()

    def plug_in(self) -> None:
        self._unplugged.unlink()

    def frames_read(self) -> list[ReadFrame]:
        """What has been read so far; numbers begin again when a program opens it again."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [ReadFrame(*map(int, line.split())) for line in lines]


def obstacle() -> str:
    """Why this machine can have no fake camera; empty if it can."""
    if sys.platform != "linux":
        return "only Linux has V4L2"
    return "" if _compiler() else "there is no C compiler for the fake camera"


@functools.cache
def library() -> Path:
    """The compiled library, where there is no `obstacle`."""
    path = CACHE / f"{hashlib.sha256(CODE.read_bytes()).hexdigest()[:16]}.so"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder, path.name)
            options = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared"]
            libraries = ["-ldl", "-lpthread"]
            subprocess.run(
                [_compiler(), *options, "-o", str(made), str(CODE), *libraries], check=True
            )
            made.replace(path)  # others may make the same at the same time
    return path


def _compiler() -> str:
    return shutil.which(os.environ.get("CC", "cc")) or ""


def scaled_film(path: Path, size: tuple[int, int], frames: int) -> Iterator[Bgr]:
    """The first frames of a film, ``(H, W, 3) uint8``, at the size (width, height) of a camera."""
    film = cv2.VideoCapture(str(path))
    try:
        for _ in range(frames):
            there, image = film.read()
            if not there:
                return
            how = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
            yield np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
    finally:
        film.release()


def motion_jpeg(
    images: Iterable[Bgr], *, tables: bool = False, padding: int = 512, quality: int = 90
) -> Iterator[bytes]:
    """Frames as cameras compress them: 4:2:2.

    Args:
        images: ``(H, W, 3) uint8`` BGR.
        tables: Whether they have Huffman tables; most cameras leave them out.
        padding: Zero bytes fill them up to a multiple of so many bytes.
        quality: Of the compression, from 1 to 100.
    """
    how = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    ]  # fmt: skip
    for image in images:
        data = cv2.imencode(".jpg", image, how)[1].tobytes()
        data = data if tables else without_tables(data)
        yield data + bytes(-len(data) % padding)


def without_tables(data: bytes) -> bytes:
    """A JPEG file without its Huffman tables, as motion JPEG is sent."""
    at, kept = 2, data[:2]
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += b"" if data[at : at + 2] == TABLES else data[at:end]
        at = end
    return kept + data[at:]


def cut_off(frame: bytes) -> bytes:
    """A frame of which a part was lost on its way through the cable."""
    assert read_size(frame[: len(frame) // 2]), "the head is whole"
    return frame[: len(frame) // 2] + bytes(64)


def packed(images: Iterable[Bgr]) -> Iterator[bytes]:
    """Frames in the format YUYV, uncompressed: limited range, BT.601."""
    for image in images:
        yield cv2.cvtColor(image, cv2.COLOR_BGR2YUV_YUYV).tobytes()
