"""What a source of frames is: something that is read frame by frame until it ends."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class SourceFrame(NamedTuple):
    """One image: ``(H, W, 3) uint8`` BGR, and its time in the file in ns (None if live)."""

    image: NDArray[np.uint8]
    media_time: int | None


class SourceEnd(NamedTuple):
    """How a source ended."""

    reason: Literal["end", "truncated", "lost"]
    detail: str = ""


class Source(Protocol):
    """An open source of frames."""

    live: bool
    rate: float | None
    frames: int | None

    def read(self) -> SourceFrame | None:
        """Next frame; None at the end."""

    def ending(self) -> SourceEnd:
        """How it ended; after the last frame."""

    def close(self) -> None:
        """Close the device or file."""
