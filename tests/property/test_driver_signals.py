"""Whatever a camera sees of a driver: shares add up, and the same frames say the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.common.wire.biometrics import Drowsiness, OffRoad
from affectline.common.wire.face_signs import Blink, FaceSigns
from affectline.services.fusion.driver_signals import DriverSignals

angles = st.sampled_from((-40.0, -12.0, 0.0, 3.0, 12.0, 90.0))
shares = st.none() | st.sampled_from((0.0, 0.1, 1.0))
faces = st.none() | st.builds(
    FaceSigns,
    yaw=st.none() | angles,
    pitch=angles,
    eye_opening_left=shares,
    eyes_unknown=st.none() | st.just("dark"),
    blink=st.none() | st.builds(Blink, at=st.just(0), duration_ms=st.floats(1, 60_000)),
    perclos=shares,
    perclos_known_s=st.none() | st.floats(0, 60),
    doubts=st.sampled_from(((), ("turned_away",), ("covered", "dark"))),
)
Seen = tuple[FaceSigns | None, float, float]
stretches = st.lists(
    st.tuples(faces, st.floats(0.05, 70), st.floats(0.1, 3)), min_size=1, max_size=5
)
"""What is seen, for how many seconds, and how many lie between two frames."""


def play(script: list[Seen]) -> list[tuple[Drowsiness | None, OffRoad | None]]:
    signals, at_s = DriverSignals(), 0.0
    said = []
    for _ in range(45):  # the usual direction is known
        at_s += 1
        signals.add_face("front", FaceSigns(yaw=0.0, pitch=0.0), at_s)
        signals.close_second()
    for face, seconds, step_s in script:
        until_s = at_s + seconds
        while at_s < until_s:
            second, at_s = int(at_s), at_s + step_s
            signals.add_face("front", face, at_s)
            if int(at_s) > second:
                signals.close_second()
            said.append(signals.evaluate(at_s))
    said.append(signals.evaluate(at_s + 7))
    return said


@given(stretches)
@settings(max_examples=25, deadline=None)
def test_shares_and_contributions_add_up_whatever_is_seen(
    script: list[Seen],
) -> None:
    said = play(script)
    assert play(script) == said
    for drowsiness, off_road in said:
        assert off_road
        assert off_road.known_s + 60 * off_road.unknown <= 60 + 1e-6
        total = sum(part.contribution for part in off_road.contributions.values())
        assert total == pytest.approx(100 * (off_road.share or 0.0), abs=1e-6)
        assert (off_road.share is None) == (off_road.longest_s is None)
        assert (off_road.quality == 1) <= (off_road.reason == "")
        if drowsiness is not None and drowsiness.level is not None:
            total = sum(part.contribution for part in drowsiness.contributions.values())
            assert total == pytest.approx(drowsiness.level)
            assert drowsiness.quality == 1 or drowsiness.reason
