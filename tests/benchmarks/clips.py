"""The clips that the benchmarks run on."""

from pathlib import Path
from typing import Final, NamedTuple

import cv2

from affectline.services.capture.sample_clip import find_sample

SHARED: Final = Path(__file__).parents[3] / "shared" / "data"
PREFERRED: Final = SHARED / "video" / "expressive_woman.mp4"
WEIGHTS: Final = SHARED / "vgg16_imagenet_notop.weights.h5"
LIVE_SIZE: Final = (640, 360)
LIVE_RATE: Final = 30
LIVE_FRAMES: Final = 472


class Clip(NamedTuple):
    """A video file and its properties."""

    path: Path
    size: tuple[int, int]
    frames: int


def choose_clip() -> Clip:
    """Return the clip of the targets, or the sample clip without the shared data."""
    path = PREFERRED if PREFERRED.exists() else find_sample()
    video = cv2.VideoCapture(str(path))
    frames, size = 0, (0, 0)
    while True:
        ok, picture = video.read()
        if not ok:
            break
        frames += 1
        size = (picture.shape[1], picture.shape[0])
    video.release()
    return Clip(path, size, frames)


def read_rate(path: Path) -> float:
    """Return the frames a second of a film."""
    video = cv2.VideoCapture(str(path))
    rate = float(video.get(cv2.CAP_PROP_FPS))
    video.release()
    return rate


def write_live_clip(clip: Clip, path: Path, frames: int = LIVE_FRAMES) -> Clip:
    """Write the clip at 640x360 and 30 frames a second, repeated to so many frames."""
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, LIVE_RATE, LIVE_SIZE)
    video = cv2.VideoCapture(str(clip.path))
    for _ in range(frames):
        ok, picture = video.read()
        if not ok:
            video.release()
            video = cv2.VideoCapture(str(clip.path))
            ok, picture = video.read()
        writer.write(_resize_and_pad(picture))
    video.release()
    writer.release()
    return Clip(path, LIVE_SIZE, frames)


def _resize_and_pad(picture: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Scale to the height, and pad to the width."""
    height, width = picture.shape[:2]
    if (width, height) == LIVE_SIZE:
        return picture
    scaled_width = min(LIVE_SIZE[0], round(width * LIVE_SIZE[1] / height))
    scaled = cv2.resize(picture, (scaled_width, LIVE_SIZE[1]))
    left = (LIVE_SIZE[0] - scaled_width) // 2
    right = LIVE_SIZE[0] - scaled_width - left
    return cv2.copyMakeBorder(scaled, 0, 0, left, right, cv2.BORDER_REPLICATE)
