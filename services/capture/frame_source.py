"""What a source of frames is: something that is read frame by frame until it ends."""

from collections import deque
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NAMED: Final = 5
"""So many of the things that a source cannot give are named; the others are counted."""


class SourceFrame(NamedTuple):
    """One image: ``(H, W, 3) uint8`` BGR, and where it comes from."""

    image: NDArray[np.uint8]
    media_time: int | None = None
    """Films: ns from the beginning of the container to this frame, as a player shows it."""
    file: str | None = None
    """Folders of pictures: the picture's path below the folder."""


class SourceEnd(NamedTuple):
    """How a source ended."""

    reason: Literal["end", "damaged", "truncated", "lost"]
    detail: str = ""


class Notes:
    """What is wrong with a source, and does not stop it: counted, and the first ones in words.

    Args:
        what: What they have in common, such as "could not be read".
        is_urgent: Somebody should know before the source has ended, where all is summed up.
    """

    def __init__(self, what: str, *, is_urgent: bool = False) -> None:
        self._what, self.is_urgent = what, is_urgent
        self.count = 0
        self._first: list[str] = []
        self._news: deque[str] = deque(maxlen=NAMED)

    def add(self, text: str) -> None:
        """Count one, named and explained: ``b.png (cut off)``."""
        self.count += 1
        if len(self._first) < NAMED:
            self._first.append(text)
            self._news.append(text)

    def pop_news(self) -> list[str]:
        """What nobody was told yet, of those that are named."""
        news = [f"{text} {self._what}" for text in self._news]
        self._news.clear()
        return news

    def describe(self, unit: str, of: int | None = None) -> str:
        """All in one line, empty where there is none: ``2 of 9 pictures could not be read: a``."""
        if not self.count:
            return ""
        amount = f"{self.count} of {of}" if of else str(self.count)
        more = ", ..." if self.count > len(self._first) else ""
        plural = "s" if self.count > 1 or of else ""
        return f"{amount} {unit}{plural} {self._what}: {', '.join(self._first)}{more}"


class Source(Protocol):
    """An open source of frames."""

    live: bool
    rate: float | None
    frames: int | None
    duration_s: float | None
    damage: Notes
    """Frames and pictures that could not be read."""
    remarks: Notes
    """What else there is to say, and is no fault: files that are left out, jumps in the times."""

    def read(self) -> SourceFrame | None:
        """Next frame; None at the end."""

    def ending(self) -> SourceEnd:
        """How it ended; after the last frame."""

    def close(self) -> None:
        """Close the device or file."""
