"""Drowsiness and looks away of a person, from one camera or several."""

import math
from typing import Final

from affectline.common.wire.biometrics import Drowsiness, OffRoad
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.fusion.drowsiness_signal import DrowsinessSignal
from affectline.services.fusion.look_signal import LookSignal

PATIENCE_S: Final = 5.0
"""Another camera is followed after the current one has not seen the person's face for this long."""


class CameraView:
    """A person as seen by one camera: angles depend on the camera's place."""

    def __init__(self) -> None:
        self.look, self.drowsiness = LookSignal(), DrowsinessSignal()
        self.seen_s = -math.inf
        """When a face was last seen."""

    def add_face(self, face: FaceSigns | None, at_s: float) -> None:
        """Add the face in a frame, or None without one."""
        self.look.add_face(face, at_s)
        self.drowsiness.add_face(face, at_s)
        if face is not None:
            self.seen_s = max(self.seen_s, at_s)

    def clear_samples(self) -> None:
        """Forget observations; keep what is usual."""
        self.look.clear_samples()
        self.drowsiness.clear_samples()
        self.seen_s = -math.inf


class DriverSignals:
    """Drowsiness and looks away of one person.

    They are computed for each camera separately. Those of the first camera that saw the person are
    published, and those of another one only after it has not seen the person for `PATIENCE_S`.
    """

    def __init__(self) -> None:
        self._views: dict[str, CameraView] = {}
        """The cameras' views, by stream."""
        self._followed = ""

    def add_face(self, stream: str, face: FaceSigns | None, at_s: float) -> None:
        """Add the face in a frame, or None without one."""
        if stream not in self._views:
            if face is None:
                return
            self._views[stream] = CameraView()
        self._views[stream].add_face(face, at_s)

    def close_second(self) -> None:
        """Update the usual directions with the second that ends."""
        for view in self._views.values():
            view.look.close_second()

    def clear_samples(self) -> None:
        """Forget observations, whose times no longer hold; keep what is usual."""
        for view in self._views.values():
            view.clear_samples()

    def calibrate(self) -> None:
        """Begin a calibration: learn again what is usual."""
        for view in self._views.values():
            view.look.restart()
            view.drowsiness.usual_blink.reset()

    def freeze(self) -> None:
        """End a calibration: fix what is usual."""
        for view in self._views.values():
            view.look.freeze()
            view.drowsiness.usual_blink.freeze()

    def evaluate(self, now_s: float) -> tuple[Drowsiness | None, OffRoad | None]:
        """Drowsiness and looks away in the last minute; None if never measured."""
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
