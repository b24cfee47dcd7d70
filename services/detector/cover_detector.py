"""Whether a hand covers a part of a face."""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.model.interpreter import open_interpreter
from affectline.common.vision.crops import crop_square
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.services.detector.face_mesh import frame_by_landmarks

_FILE: Final = Path(__file__).with_name("covered_face.tflite")
"""Made by ``affectline.training.fit.covered_face``; docs/signs.md says how good it is."""
_SHA256: Final = "335afcbf24f93aad0b4e72c999d95220c2abb938bef43c3264feae7cad23c6ba"
_WAY_OUT: Final = "install Affectline again"

COVERED: Final = 1.5
"""Logit from which a face is covered: 1 % of held-out faces of FER2013 exceed it, some of which do
have hands before them, and nobody in the labelled films who has none (docs/signs.md)."""
STILL_COVERED: Final = 0.5
"""Logit from which a face that was covered still is."""
_FRAME: Final = 1 / 0.979
"""Side of FER2013's pictures in sides of a face's square (docs/detection.md)."""


class CoverDetector:
    """A small network on the face as the classifier sees it, framed like FER2013's.

    Raises:
        AffectlineError: Its file is missing or damaged.
    """

    def __init__(self) -> None:
        try:
            found = hashlib.sha256(_FILE.read_bytes()).hexdigest()
        except OSError as error:
            raise AffectlineError(f"{_FILE} cannot be read ({error.strerror})", _WAY_OUT) from error
        if found != _SHA256:
            raise AffectlineError(f"{_FILE} has SHA-256 {found[:12]}…, another one", _WAY_OUT)
        self._interpreter = open_interpreter(_FILE, 1, _WAY_OUT)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def score(self, gray: NDArray[np.uint8], points: NDArray[np.float32]) -> float:
        """How sure it is that something covers a part of a face, as a logit.

        Args:
            gray: ``(H, W) uint8``.
            points: ``(468, 3)`` landmarks of the face, in pixels.
        """
        face = frame_by_landmarks(points)
        crop = crop_square(gray, (face.x, face.y), _FRAME * face.side, face.angle, FER_SIZE)
        self._interpreter.set_tensor(
            self._input, crop[np.newaxis, ..., np.newaxis].astype(np.float32)
        )
        self._interpreter.invoke()
        return float(self._interpreter.get_tensor(self._output).item())
