"""Frames in memory as the source of a run."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.services.capture.frame_source import Notes, SourceEnd, SourceFrame


class ArraySource:
    """A video in memory, as `services.capture.frame_source.Source`.

    Args:
        frames: ``(T, H, W, 3) uint8`` RGB.
        rate: Frames a second.
    """

    live = False

    def __init__(self, frames: NDArray[np.uint8], rate: float) -> None:
        self.rate: float | None = rate
        self.frames: int | None = len(frames)
        self.duration_s: float | None = len(frames) / rate
        self.damage, self.remarks = Notes("could not be read"), Notes("")
        self._frames = _read(frames, rate)

    def read(self) -> SourceFrame | None:
        return next(self._frames, None)

    def ending(self) -> SourceEnd:
        return SourceEnd("end")

    def close(self) -> None:
        self._frames = iter(())


def _read(frames: NDArray[np.uint8], rate: float) -> Iterator[SourceFrame]:
    for number, frame in enumerate(frames):
        bgr = np.ascontiguousarray(frame[:, :, ::-1])
        yield SourceFrame(bgr, media_time=round(number * 1e9 / rate))


def check_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Check that an array is a video or a picture.

    Raises:
        AffectlineError: The array is neither ``(T, H, W, 3)`` nor ``(H, W, 3)`` of ``uint8``.
    """
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3:
        raise AffectlineError(
            f"an array {array.shape} of {array.dtype} is neither a video nor a picture",
            "give (T, H, W, 3) or (H, W, 3) uint8 in RGB: values from 0 to 255, not 0 to 1",
        )
    if array.size == 0:
        raise AffectlineError(f"an array {array.shape} contains no frame", "give at least one")
    return array
