"""Cameras of 1920x1080, uncompressed and as motion JPEG, where there are any.

An environment variable may name a camera of this machine, such as one of v4l2loopback; otherwise
it is a fake one, which pipelines read as they read a real one.
"""

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.benchmarks.clips import LIVE_RATE, Clip
from tests.benchmarks.made_films import read_pictures

SIZE: Final = (1920, 1080)
STREAM: Final = "camera"
FAKE: Final = "tests.fake_camera"
SHOTS: Final = 30
"""Frames of a fake camera, which it gives over and over; uncompressed they have 4 MB each."""


class CameraRun(NamedTuple):
    """How a pipeline is started that reads a camera."""

    arguments: tuple[str, ...]
    """For ``affectline up``; they end the run after the clip's number of frames."""
    environment: Mapping[str, str] = {}
    """Variables that its processes have besides ours."""
    count_lost: Callable[[], int] = lambda: 0
    """Frames that the driver lost so far, because nobody took them in time."""


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


def find_camera(pixels: PixelFormat) -> Opener | str:
    """A camera of this machine, or a fake one; otherwise why there is none."""
    if index := os.environ.get(pixels.variable):
        return lambda clip, folder: _open_device(index, clip, folder)
    if find_spec(FAKE) is None:
        return f"no camera here gives {pixels.name}; {pixels.variable}=INDEX names one"
    fake: Any = importlib.import_module(FAKE)
    if reason := fake.obstacle():
        return str(reason)
    return lambda clip, folder: _open_fake(fake, pixels, clip, folder)


@contextmanager
def _open_device(index: str, clip: Clip, folder: Path) -> Iterator[CameraRun]:
    yield CameraRun(_arguments(index, clip, folder))


@contextmanager
def _open_fake(fake: Any, pixels: PixelFormat, clip: Clip, folder: Path) -> Iterator[CameraRun]:
    camera = fake.FakeCamera(folder / f"camera-{pixels.name}", rate=LIVE_RATE)
    shots = islice(read_pictures(clip.path), SHOTS)
    if pixels.name == "YUYV":
        camera.give("YUYV", SIZE, fake.packed(shots))
    else:
        camera.give("MJPG", SIZE, fake.motion_jpeg(shots))

    def count_lost() -> int:
        read = camera.frames_read()
        # While the pipeline starts, nobody takes frames
        begun = [one.number for one in read if one.read_at > read[0].read_at + 1e9]
        return count_gaps(begun)

    arguments = _arguments(camera.source, clip, folder)
    yield CameraRun(arguments, camera.environment(), count_lost)


def count_gaps(numbers: list[int]) -> int:
    """How many numbers are missing between the first and the last."""
    return numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0


def _arguments(index: str, clip: Clip, folder: Path) -> tuple[str, ...]:
    settings = {
        "sources": [{"name": STREAM, "source": index}], "delivery": "live", "pace": "realtime",
        "capture": {"camera_width": SIZE[0], "rate": LIVE_RATE}, "sink": {"display": "none"},
    }  # fmt: skip
    file = folder / f"camera-{index}.yaml"
    file.write_text(yaml.safe_dump(settings))
    return f"--config={file}", f"--duration={clip.frames / LIVE_RATE:g}"
