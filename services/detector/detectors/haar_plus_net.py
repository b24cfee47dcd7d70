"""Face detection by the Haar cascade, and by a small network for faces that it misses."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectline.services.detector.detection import (
    Detection,
    IncrementalFaceDetector,
    ScanScope,
    SearchEffort,
)
from affectline.services.detector.detector_settings import HaarNetSettings, NetSettings
from affectline.services.detector.detectors.haar import HaarDetector
from affectline.services.detector.detectors.net import NetDetector

_Part = Literal["whole", "tile", "large", "small", "nothing"]
"""A part of a scan: the whole image by the network, or a tile, in which small faces are larger;
large or small upright faces by the cascade."""

_PARTS: Final[Mapping[str, tuple[_Part, ...]]] = {
    "steady": ("whole", "large", "whole", "tile", "whole", "nothing", "whole", "nothing"),
    "searching": ("whole", "large", "tile", "whole", "small", "tile", "whole", "tile"),
    "idle": ("whole", "nothing", "large", "nothing", "whole", "nothing", "tile", "nothing"),
}
"""What each scope does in turn. Beside known faces, a new one is found within two parts, on which
the recorder relies (`common.vision.anonymize`), at the cost of the cascade's own scan."""


class HaarNetDetector(IncrementalFaceDetector):
    """The Haar cascade, and MediaPipe's face detectors for faces that it misses."""

    settings_model = HaarNetSettings
    needs_landmarks: ClassVar[bool] = True
    """A find counts as a face only once its landmarks confirm it."""

    def __init__(self, settings: HaarNetSettings) -> None:
        self._haar = HaarDetector(settings.model_copy(update={"min_face": _least(settings)}))
        self._net = NetDetector(NetSettings(min_face=settings.min_face))

    def detect(self, gray: NDArray[np.uint8]) -> list[Detection]:
        """Find all faces, those of the cascade first."""
        found = self._haar.detect(gray)
        others = [one for one in self._net.detect(gray) if not any(map(one.overlaps, found))]
        return [*found, *others]

    def scan(
        self, gray: NDArray[np.uint8], known: Sequence[Detection], scope: ScanScope, turn: int
    ) -> list[Detection]:
        if scope in ("first", "lost"):
            found = self._haar.scan(gray, known, "first", 0) if scope == "first" else []
            return found or self._net.scan(gray, known, scope, 0)
        parts = _PARTS[scope]
        match parts[turn % len(parts)]:
            case "whole":
                return self._net.scan_whole(gray, known)
            case "tile":
                return self._net.scan_tile(gray, known, turn)
            case "large":
                return self._haar.scan(gray, known, "steady", 0)
            case "small":
                return self._haar.scan(gray, known, "steady", 1)
        return []

    def redetect(
        self, gray: NDArray[np.uint8], last: Detection, effort: SearchEffort
    ) -> Detection | None:
        # If the cascade missed the face last time, it is asked again only now and then
        if effort != "recover" and (last.view == "frontal" or effort in ("measure", "confirm")):
            found = self._haar.redetect(gray, last, effort)
            if found:
                return found
        return self._net.redetect(gray, last, effort)


def _least(settings: HaarNetSettings) -> float:
    """The cascade's smallest face: 2.5 times the network's up to 0.15, and never below that one."""
    return max(settings.min_face, min(0.15, 2.5 * settings.min_face))
