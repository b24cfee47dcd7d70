"""Drowsiness and looks away of a person whom one camera or several see."""

import math
from typing import Final

from affectline.common.wire.biometrics import Drowsiness, OffRoad
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.drowsiness_signal import DrowsinessSignal
from affectline.services.fusion.look_signal import LookSignal

PATIENCE_S: Final = 5.0
"""Another camera is followed when the present one has not seen the person's face for so long."""


class CameraView:
    """A person as one camera sees them: angles depend on where it stands."""

    def __init__(self) -> None:
        self.look, self.drowsiness = LookSignal(), DrowsinessSignal()
        self.seen_s = -math.inf
        """When a face was last seen."""

    def add_face(self, face: FaceSigns | None, at_s: float) -> None:
        """Add what a frame shows."""
        self.look.add_face(face, at_s)
        self.drowsiness.add_face(face, at_s)
        if face is not None:
            self.seen_s = max(self.seen_s, at_s)

    def clear_samples(self) -> None:
        """Forget what was seen; keep what is usual."""
        self.look.clear_samples()
        self.drowsiness.clear_samples()
        self.seen_s = -math.inf


class DriverSignals:
    """Drowsiness and looks away of one person.

    Each camera's are reckoned apart; those of one camera are published, the first that saw the
    person, and of another only when that one has not for `PATIENCE_S`.
    """

    def __init__(self) -> None:
        self._views: dict[str, CameraView] = {}
        """By stream."""
        self._followed = ""

    def add_face(self, stream: str, face: FaceSigns | None, at_s: float) -> None:
        """Add what a frame shows: a face, or none."""
        if stream not in self._views:
            if face is None:
                return
            self._views[stream] = CameraView()
        self._views[stream].add_face(face, at_s)

    def close_second(self) -> None:
        """Update what is usual with the second that ends."""
        for view in self._views.values():
            view.look.close_second()

    def clear_samples(self) -> None:
        """Forget what was seen, whose times no longer hold; keep what is usual."""
        for view in self._views.values():
            view.clear_samples()

    def calibrate(self) -> None:
        """A calibration begins: learn anew what is usual."""
        for view in self._views.values():
            view.look.restart()
            view.drowsiness.usual_blink.reset()

    def freeze(self) -> None:
        """A calibration ends: what is usual stays as it is."""
        for view in self._views.values():
            view.look.freeze()
            view.drowsiness.usual_blink.freeze()

    def evaluate(self, now_s: float) -> tuple[Drowsiness | None, OffRoad | None]:
        """Both by the last minute; None for what was never measured."""
        view = self._follow(now_s)
        if view is None:
            return None, None
        return view.drowsiness.evaluate(now_s), view.look.evaluate(now_s)

    def _follow(self, now_s: float) -> CameraView | None:
        if not self._views:
            return None
        seeing = [n for n, view in self._views.items() if now_s - view.seen_s <= PATIENCE_S]
        if self._followed not in self._views or (seeing and self._followed not in seeing):
            self._followed = next(iter(seeing or self._views))
        return self._views[self._followed]
