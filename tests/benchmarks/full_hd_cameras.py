"""Cameras of 1920x1080, uncompressed and as motion JPEG, where there are any.

A camera is anything that ``affectline up`` can open. Beside those of this machine, which
environment variables name, a test may provide one: see `PROVIDED`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from tests.benchmarks.clips import LIVE_RATE, Clip

SIZE: Final = (1920, 1080)
STREAM: Final = "camera"


class CameraRun(NamedTuple):
    """How a pipeline is started that reads a camera."""

    arguments: tuple[str, ...]
    """For ``affectline up``; they end the run after the clip's number of frames."""
    environment: Mapping[str, str] = {}
    """Variables that its processes have besides ours."""


Opener = Callable[[Clip, Path], AbstractContextManager[CameraRun]]
"""Opens a camera that shows a clip, at 30 frames a second; the folder is for temporary files."""


class PixelFormat(NamedTuple):
    """In what form a camera gives its frames."""

    name: str
    variable: str
    """Environment variable with the index of a camera that gives them so."""


FORMATS: Final = (
    PixelFormat("YUYV", "AFFECTLINE_BENCH_YUYV"), PixelFormat("MJPEG", "AFFECTLINE_BENCH_MJPEG"),
)  # fmt: skip
PROVIDED: Final[dict[str, Opener]] = {}
"""Cameras that tests provide, by the name of their format."""


def find_camera(pixels: PixelFormat) -> Opener | str:
    """A camera of this machine, or one that tests provide; otherwise why there is none."""
    if index := os.environ.get(pixels.variable):
        return lambda clip, folder: _open_device(index, clip, folder)
    return PROVIDED.get(
        pixels.name, f"no camera here gives {pixels.name}; {pixels.variable}=INDEX names one"
    )


@contextmanager
def _open_device(index: str, clip: Clip, folder: Path) -> Iterator[CameraRun]:
    settings = {
        "sources": [{"name": STREAM, "source": index}], "delivery": "live", "pace": "realtime",
        "capture": {"camera_width": SIZE[0], "rate": LIVE_RATE}, "sink": {"display": "none"},
    }  # fmt: skip
    file = folder / f"camera-{index}.yaml"
    file.write_text(yaml.safe_dump(settings))
    yield CameraRun((f"--config={file}", f"--duration={clip.frames / LIVE_RATE:g}"))
