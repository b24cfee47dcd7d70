"""Places several streams in one window: a grid of cells that are as large as possible."""

from collections.abc import Sequence
from typing import Final

from affectline.services.overlay.placement import Rect

USUAL: Final = (16, 9)
"""Aspect ratio of a video that has not arrived yet."""
GAP: Final = 4
"""Pixels between cells."""


def cells(count: int, size: tuple[int, int], aspect: float) -> list[Rect]:
    """Cells for a number of videos, row by row.

    Args:
        count: How many, at least 1.
        size: Width and height of the window in pixels.
        aspect: Aspect ratio of most videos: the grid shows these as large as possible.
    """
    columns = _columns(count, size, aspect)
    rows = -(-count // columns)
    width, height = (size[0] - GAP * (columns - 1)) // columns, (size[1] - GAP * (rows - 1)) // rows
    return [
        Rect((i % columns) * (width + GAP), (i // columns) * (height + GAP), width, height)
        for i in range(count)
    ]


def _columns(count: int, size: tuple[float, float], aspect: float) -> int:
    """The number of columns that makes the videos largest."""

    def height(columns: int) -> float:
        return min(size[0] / columns / aspect, size[1] / -(-count // columns))

    return max(range(1, count + 1), key=height)


def fit(picture: tuple[int, int], cell: Rect) -> Rect:
    """The largest place in the middle of a cell that keeps the proportions."""
    scale = min(cell.width / picture[0], cell.height / picture[1])
    width, height = max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))
    left, top = (cell.width - width) // 2, (cell.height - height) // 2
    return Rect(cell.left + left, cell.top + top, width, height)


def window_size(
    pictures: Sequence[tuple[int, int]], count: int, screen: tuple[int, int], smallest: int
) -> tuple[int, int]:
    """Width and height of a window for a number of videos; it fits the screen with its borders.

    Args:
        pictures: Width and height of the videos that have arrived.
        count: How many there will be.
        screen: Width and height of the screen.
        smallest: Least width of a single video, if the screen is that wide; each of several has at
            least two thirds of it.
    """
    # With several videos, the others may have any proportions
    width, height = pictures[0] if pictures and count == 1 else USUAL
    # A wide desktop of two screens must not make the window wide
    room = min(screen[0], screen[1] * 2) * 0.9, screen[1] * 0.8
    columns = _columns(count, room, width / height)
    rows = -(-count // columns)
    widest = max((w for w, _ in pictures), default=0)
    wanted = max(widest, smallest if count == 1 else smallest * 2 / 3)
    scale = min(wanted / width, room[0] / (columns * width), room[1] / (rows * height))
    return round(columns * width * scale), round(rows * height * scale)
