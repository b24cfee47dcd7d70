"""Generated faces of a driver: where the head points, what the lids do, and what is unknown."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Drowsiness, OffRoad, State
from affectline.common.wire.face_signs import Blink, FaceSigns
from affectline.services.fusion.subject import Sighting, SubjectState
from tests.unit.services.fusion.test_subject import CALM, SECOND, START

RATE = 10
"""Frames a second."""

Script = Callable[[float], FaceSigns | None]
"""What is seen at a time in seconds."""


def face(yaw: float | None = 0.0, pitch: float | None = 0.0, **signs: Any) -> FaceSigns:
    """A face with open eyes, which looks ahead unless told otherwise."""
    eyes = {"eye_opening_left": 0.9, "eye_opening_right": 0.9, "perclos": 0.02}
    usual = {**eyes, "perclos_known_s": 60.0} if "eyes_unknown" not in signs else {}
    return FaceSigns(yaw=yaw, pitch=pitch, **{**usual, **signs})


def blinked(duration_ms: float, **signs: Any) -> FaceSigns:
    return face(blink=Blink(at=START, duration_ms=duration_ms), **signs)


def times(seconds: float, begin_s: float = 0.0) -> Iterator[float]:
    for i in range(round(seconds * RATE)):
        yield begin_s + i / RATE


class Drive:
    """A person in front of a camera, with the states that followed.

    Args:
        stream: The camera's name.
    """

    def __init__(self, stream: str = "front") -> None:
        self.person = SubjectState("driver", FusionSettings())
        self.states: list[State] = []
        self._stream = stream

    def see(self, script: Script, seconds: float, begin_s: float = 0.0) -> "Drive":
        """Show frames of a script, whose time is the absolute one."""
        return self.see_at(script, times(seconds, begin_s))

    def see_at(self, script: Script, moments: Iterable[float]) -> "Drive":
        for at_s in moments:
            seen = script(at_s)
            state = self.person.add_expression(
                CALM if seen else None,
                START + round(at_s * SECOND),
                seen.doubts if seen else (),
                Sighting(self._stream, seen),
            )
            self.states += [state] if state else []
        return self

    @property
    def off_road(self) -> OffRoad:
        found = self.states[-1].off_road
        assert found
        return found

    @property
    def drowsiness(self) -> Drowsiness:
        found = self.states[-1].drowsiness
        assert found
        return found
