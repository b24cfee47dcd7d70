"""Head pose, eyes, blinks and doubts of one stream's largest face over time."""

from array import array
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.wire.face_signs import Blink, Doubt, FaceSigns
from affectline.services.sessions.sign_channels import FACE_CHANNELS, face_row

LONGEST_STEP_NS: Final = 1_000_000_000
"""A doubt does not last across a longer gap between two frames."""

_NAMES: Final = tuple(channel.name for channel in FACE_CHANNELS)


class DoubtStretch(NamedTuple):
    """A stretch of time in which a face was doubted."""

    start: int
    """Nanoseconds since the Unix epoch, as is `end`."""
    end: int


class SignSeries:
    """Signs of a face, frame by frame."""

    def __init__(self) -> None:
        self.times: list[int] = []
        """Nanoseconds since the Unix epoch."""
        self._rows = array("d")
        """A value for each of `FACE_CHANNELS`, frame by frame."""
        self.doubts: list[tuple[Doubt, ...]] = []
        """The doubts of each frame."""
        self.blinks: list[Blink] = []

    def add(self, face: FaceSigns, at: int) -> None:
        """Add the face of one frame."""
        self.times.append(at)
        self.doubts.append(face.doubts)
        self._rows.extend(face_row(face))
        if face.blink is not None:
            self.blinks.append(face.blink)

    @property
    def rows(self) -> NDArray[np.float64]:
        """Values of `FACE_CHANNELS`, NaN where unknown, ``(N, C)``."""
        return np.array(self._rows).reshape(len(self.times), len(FACE_CHANNELS))

    def values(self, channel: str) -> NDArray[np.float64]:
        """Values of one channel, ``(N,)``."""
        return self.rows[:, _NAMES.index(channel)]

    def is_known(self, *channels: str) -> bool:
        """Whether any value of these channels is known."""
        return any(bool(np.isfinite(self.values(name)).any()) for name in channels)

    def doubt_stretches(self, reason: Doubt | None = None) -> list[DoubtStretch]:
        """When there was any doubt, or one with this reason; a frame lasts until the next."""
        found: list[DoubtStretch] = []
        for i, (at, doubts) in enumerate(zip(self.times, self.doubts, strict=True)):
            if not doubts or (reason is not None and reason not in doubts):
                continue
            following = self.times[i + 1] if i + 1 < len(self.times) else at
            end = following if 0 <= following - at <= LONGEST_STEP_NS else at
            if found and found[-1].end == at:
                found[-1] = found[-1]._replace(end=end)
            else:
                found.append(DoubtStretch(at, end))
        return found
