"""Places labels and bars: inside the image, beside faces, and not over one another.

Every plate has a list of places, the best first. It gets the first free one, else the one that
covers the least of what matters. It leaves its place in the previous frame only for a clearly
better one, so that nothing jumps.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

STAYING: Final = 1.5
"""A plate stays in place unless another place is more than this many steps better."""
MARGIN: Final = 3
"""Pixels that must be free around a place to which a plate moves."""


class Rect(NamedTuple):
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column to the right of it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    def shared(self, other: "Rect") -> int:
        """Number of pixels that both share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height)

    def grown(self, by: int) -> "Rect":
        """The same rectangle, ``by`` pixels larger on each side."""
        return Rect(self.left - by, self.top - by, self.width + 2 * by, self.height + 2 * by)

    def inside(self, width: int, height: int) -> "Rect":
        """The same rectangle, moved into an image, into which it has to fit."""
        left = max(0, min(self.left, width - self.width))
        return self._replace(left=left, top=max(0, min(self.top, height - self.height)))


class Obstacle(NamedTuple):
    """A rectangle that should not be covered."""

    rect: Rect
    weight: float
    """The penalty for covering a pixel of it."""


class Placed(NamedTuple):
    """A chosen place."""

    rect: Rect
    number: int
    """Its number in the list of places."""
    cover: float
    """Weighted share of its area that covers obstacles."""


def place(
    places: Sequence[Rect],
    obstacles: Sequence[Obstacle],
    picture: tuple[int, int],
    before: int | None = None,
) -> Placed:
    """Choose a place for a plate.

    Args:
        places: Possible places, the best first; each is moved into the image.
        obstacles: What should not be covered.
        picture: Width and height of the image in pixels; the plate fits into it.
        before: Number of its place in the previous frame.
    """
    found = []
    for index, wanted in enumerate(places):
        rect = wanted.inside(*picture)
        needed = rect if index == before else rect.grown(MARGIN)
        cover = sum(o.weight * needed.shared(o.rect) for o in obstacles)
        found.append(Placed(rect, index, cover / max(1, needed.width * needed.height)))
    free = [spot for spot in found if not spot.cover]
    if free:
        return min(free, key=lambda spot: spot.number - STAYING * (spot.number == before))
    return min(found, key=lambda spot: spot.cover)


def beside(rect: Rect, size: tuple[int, int], gap: int) -> list[Rect]:
    """Places for bars around a face: at its right and left, below and above it, and at corners."""
    width, height = size
    right, left = rect.right + gap, rect.left - gap - width
    top, bottom = rect.top, rect.bottom - height
    below, above = rect.bottom + gap, rect.top - gap - height
    corners = [(right, top), (left, top), (right, bottom), (left, bottom)]
    corners += [(rect.left, below), (rect.right - width, below)]
    corners += [(rect.left, above), (rect.right - width, above)]
    corners += [(right, below), (left, below), (right, above), (left, above)]
    return [Rect(x, y, width, height) for x, y in corners]


def along(rect: Rect, size: tuple[int, int], gap: int) -> list[Rect]:
    """Places for a face's label: above and below it, beside it, and inside its left corners."""
    width, height = size
    above, below = rect.top - gap - height, rect.bottom + gap
    shifted = rect.right - width
    corners = [(rect.left, above), (shifted, above), (rect.left, below), (shifted, below)]
    corners += [(rect.right + gap, rect.top), (rect.left - gap - width, rect.top)]
    corners += [(rect.right + gap, rect.bottom - height)]
    corners += [(rect.left - gap - width, rect.bottom - height)]
    corners += [(rect.left, rect.top), (rect.left, rect.bottom - height)]
    return [Rect(x, y, width, height) for x, y in corners]
