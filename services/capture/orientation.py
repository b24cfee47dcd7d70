"""How a film's frames are to be turned and mirrored, by its display matrix."""

from typing import Any, Final, NamedTuple

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray


class Orientation(NamedTuple):
    """Turns decoded frames upright: first the sides are swapped, then columns and rows reversed.

    The eight combinations are all quarter turns, each with and without a mirror.
    """

    is_swapped: bool = False
    """Rows become columns."""
    reverses_columns: bool = False
    reverses_rows: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image ``(H, W)`` or ``(H, W, C)``, upright."""
        if self == UPRIGHT:
            return image
        turned = image.swapaxes(0, 1) if self.is_swapped else image
        rows, columns = -1 if self.reverses_rows else 1, -1 if self.reverses_columns else 1
        return np.ascontiguousarray(turned[::rows, ::columns])


UPRIGHT: Final = Orientation()


def orientation_of(frame: VideoFrame) -> Orientation:
    """What a decoded frame's display matrix asks for; other angles count as the nearest."""
    side_data: Any = frame.side_data  # PyAV's stub calls it something else
    if Type.DISPLAYMATRIX not in side_data:
        return UPRIGHT
    matrix = np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX])[:36], np.int32)
    # A pixel (x, y) is shown at (a x + c y, b x + d y), with y downwards (ISO 14496-12, 6.2.2)
    a, b, c, d = matrix[[0, 1, 3, 4]].tolist()
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)
