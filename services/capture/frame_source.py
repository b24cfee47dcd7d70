"""The interface of a source of frames, which is read frame by frame until it ends."""

from collections import deque
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affectline.services.capture.frame_image import FrameImage

Bgr = NDArray[np.uint8]
"""``(H, W, 3)``."""

NAMED: Final = 5
"""How many problems of a source are named; the others are only counted."""


class SourceFrame(NamedTuple):
    """One image, and where it comes from."""

    content: Bgr | FrameImage
    """The image as the source gives it."""
    media_time: int | None = None
    """Films: time of this frame from the beginning of the container in ns, as a player shows it."""
    file: str | None = None
    """Folders of pictures: the picture's path below the folder."""

    @property
    def image(self) -> Bgr:
        """The image as ``(H, W, 3) uint8`` BGR, converted if it has another form.

        Raises:
            ValueError: It cannot be decoded.
        """
        return self.content if isinstance(self.content, np.ndarray) else self.content.to_bgr()


class SourceEnd(NamedTuple):
    """How a source ended."""

    reason: Literal["end", "damaged", "truncated", "lost"]
    detail: str = ""


class Notes:
    """Problems that do not stop a source: all are counted, and the first ones described.

    Args:
        what: What they have in common, such as "could not be read".
        is_urgent: Report each at once as a warning, before the summary at the source's end.
    """

    def __init__(self, what: str, *, is_urgent: bool = False) -> None:
        self._what, self.is_urgent = what, is_urgent
        self.count = 0
        self._first: list[str] = []
        self._news: deque[str] = deque(maxlen=NAMED)
        self._counted = 0

    def add(self, text: str) -> None:
        """Count a problem, named and explained: ``b.png (cut off)``."""
        self.count += 1
        if len(self._first) < NAMED:
            self._first.append(text)
            self._news.append(text)

    def pop_news(self) -> list[str]:
        """Described problems that have not been reported yet."""
        news = [f"{text} {self._what}" for text in self._news]
        self._news.clear()
        return news

    def pop_count(self) -> int:
        """How many problems there are that have not been counted yet."""
        new, self._counted = self.count - self._counted, self.count
        return new

    def describe(self, unit: str, of: int | None = None) -> str:
        """All in one line, empty if there are none: ``2 of 9 pictures could not be read: a``."""
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
    """Remarks that are not faults: files left out, jumps in the times."""

    def read(self) -> SourceFrame | None:
        """The next frame; None at the end."""

    def ending(self) -> SourceEnd:
        """How the source ended; call it after the last frame."""

    def close(self) -> None:
        """Close the device or file."""
