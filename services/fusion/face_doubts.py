"""How much doubts about a face lower its quality in a state."""

from collections import deque
from collections.abc import Sequence
from math import prod
from types import MappingProxyType
from typing import Final

from affectline.common.wire.face_signs import Doubt

DOUBT_FACTORS: Final = MappingProxyType(
    {
        # The model has never seen such faces: its result is almost a guess
        "turned_away": 0.3,
        "covered": 0.3,
        # FER2013's faces are as small as 48 pixels, but sharp: less detail, but still a face
        "too_small": 0.6,
        "blurred": 0.6,
        "dark": 0.6,
        # The mouth decides much of happy, surprise and fear; brows and eyes still count
        "speaking": 0.7,
        # A blink takes a fifth of a second, and the distribution is smoothed over half a second
        "eyes_shut": 0.7,
    }
)
"""Factor of the quality by doubt, 0 to 1: chosen by what each doubt hides from the emotion model,
not measured. Several doubts multiply. No factor is 0: nothing is dropped."""
MEMORY_S: Final = 1.0
"""The factor is the mean over this time, so that one blurred frame does not spoil a face."""
WHY: Final = MappingProxyType(
    {
        "turned_away": "the face is turned away",
        "covered": "the face is covered",
        "too_small": "the face is small",
        "blurred": "the face is blurred",
        "dark": "the face is dark",
        "speaking": "the person speaks",
        "eyes_shut": "the eyes are shut",
    }
)


class FaceDoubts:
    """The doubts about one person's face within the last second."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float, tuple[Doubt, ...]]] = deque()
        """Time, factor and doubts of each frame with a face."""

    def add(self, doubts: Sequence[Doubt], at_s: float) -> None:
        """Add the doubts about the face in a frame."""
        self._recent.append((at_s, prod(DOUBT_FACTORS[d] for d in doubts), tuple(doubts)))
        while self._recent[0][0] < at_s - MEMORY_S:
            self._recent.popleft()

    @property
    def factor(self) -> float:
        """Mean factor of the last second before the newest face; 1 before any."""
        if not self._recent:
            return 1.0
        return sum(factor for _, factor, _ in self._recent) / len(self._recent)

    @property
    def reason(self) -> str:
        """The most serious doubt of the last second, in words; empty without one."""
        doubts = {doubt for *_, doubts in self._recent for doubt in doubts}
        return WHY[min(sorted(doubts), key=DOUBT_FACTORS.__getitem__)] if doubts else ""
