"""The clips that are measured on."""

from pathlib import Path
from typing import Final, NamedTuple

import cv2

from affectline.services.capture.sample_clip import find_sample

SHARED: Final = Path(__file__).parents[3] / "shared" / "data"
WANTED: Final = SHARED / "video" / "expressive_woman.mp4"
WEIGHTS: Final = SHARED / "vgg16_imagenet_notop.weights.h5"
LIVE_SIZE: Final = (640, 360)
LIVE_RATE: Final = 30
LIVE_FRAMES: Final = 472


class Clip(NamedTuple):
    """A film and what it holds."""

    path: Path
    size: tuple[int, int]
    frames: int


def choose() -> Clip:
    """The clip of the targets, or the sample clip where the shared data is not there."""
    path = WANTED if WANTED.exists() else find_sample()
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


def at_live_rate(clip: Clip, path: Path) -> Clip:
    """Write the clip's pictures again at 640x360 and 30 frames a second, as long as need be."""
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, LIVE_RATE, LIVE_SIZE)
    video = cv2.VideoCapture(str(clip.path))
    for _ in range(LIVE_FRAMES):
        ok, picture = video.read()
        if not ok:
            video.release()
            video = cv2.VideoCapture(str(clip.path))
            ok, picture = video.read()
        writer.write(_fit(picture))
    video.release()
    writer.release()
    return Clip(path, LIVE_SIZE, LIVE_FRAMES)


def _fit(picture: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Scale to the height, and pad to the width."""
    height, width = picture.shape[:2]
    if (width, height) == LIVE_SIZE:
        return picture
    across = min(LIVE_SIZE[0], round(width * LIVE_SIZE[1] / height))
    scaled = cv2.resize(picture, (across, LIVE_SIZE[1]))
    left = (LIVE_SIZE[0] - across) // 2
    right = LIVE_SIZE[0] - across - left
    return cv2.copyMakeBorder(scaled, 0, 0, left, right, cv2.BORDER_REPLICATE)
