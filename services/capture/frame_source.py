"""What a source of frames is: something that is read frame by frame until it ends."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class SourceFrame(NamedTuple):
    """One image: ``(H, W, 3) uint8`` BGR, and where it comes from."""

    image: NDArray[np.uint8]
    media_time: int | None = None
    """Films: ns from the beginning of the container to this frame, as a player shows it."""
    file: str | None = None
    """Folders of pictures: the picture's path below the folder."""


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
