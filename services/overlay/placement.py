"""Where labels and bars go: inside the picture, beside faces, and not over one another.

Every plate has a list of places, the best first. It gets the first that is free, else the one where
it covers least of what people look at. It leaves the place of the frame before only for one that is
clearly better, so that nothing jumps.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

STAYING: Final = 1.5
"""A plate stays where it was rather than move to a place that is so many steps better."""
MARGIN: Final = 3
"""Pixels that have to be free about a place to which it moves."""


class Rect(NamedTuple):
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column behind it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    def shared(self, other: "Rect") -> int:
        """Pixels that both have."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height)

    def grown(self, by: int) -> "Rect":
        """The same, larger by so many pixels on each side."""
        return Rect(self.left - by, self.top - by, self.width + 2 * by, self.height + 2 * by)

    def inside(self, width: int, height: int) -> "Rect":
        """The same, moved into a picture; it has to fit into it."""
        left = max(0, min(self.left, width - self.width))
        return self._replace(left=left, top=max(0, min(self.top, height - self.height)))


class Obstacle(NamedTuple):
    """What had better not be covered."""

    rect: Rect
    weight: float
    """How bad it is to cover a pixel of it."""


class Placed(NamedTuple):
    """A place that was chosen."""

    rect: Rect
    number: int
    """In the list of places."""
    cover: float
    """What it covers, as a share of its area, weighted."""


def place(
    places: Sequence[Rect],
    obstacles: Sequence[Obstacle],
    picture: tuple[int, int],
    before: int | None = None,
) -> Placed:
    """Choose a place for a plate.

    Args:
        places: The best first; each is moved into the picture.
        obstacles: What had better not be covered.
        picture: Width and height in pixels; the plate fits into it.
        before: The place in the list that it had in the frame before.
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
    """Places for bars about a face: at its right, its left, below and above it, and in corners."""
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
    """Places for the label of a face: above and below it, beside it, and on its upper edge."""
    width, height = size
    above, below = rect.top - gap - height, rect.bottom + gap
    shifted = rect.right - width
    corners = [(rect.left, above), (shifted, above), (rect.left, below), (shifted, below)]
    corners += [(rect.right + gap, rect.top), (rect.left - gap - width, rect.top)]
    corners += [(rect.right + gap, rect.bottom - height)]
    corners += [(rect.left - gap - width, rect.bottom - height)]
    corners += [(rect.left, rect.top), (rect.left, rect.bottom - height)]
    return [Rect(x, y, width, height) for x, y in corners]
