"""From sensors to states: real processes, and what is left when one of them is killed."""

from collections.abc import Callable

import pytest

from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import State
from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Emotion, Packet
from tests.dashboards import BusPublisher
from tests.integration.buses import Bus
from tests.samples import EMOTION

S = 1_000_000_000


@pytest.fixture
def bus(bus: Callable[..., Bus], request: pytest.FixtureRequest) -> Bus:
    return bus(getattr(request, "param", "live"), ("bio/", "state/"))


def states(heard: list[Message]) -> list[State]:
    return [message for message in heard if isinstance(message, State)]


def test_states_go_on_when_the_only_sensor_is_killed(bus: Bus) -> None:
    def of_heart_and_skin(heard: list[Message]) -> bool:
        return any(state.signals["heart"].quality > 0 for state in states(heard))

    def after(moment: int) -> Callable[[list[Message]], bool]:
        return lambda heard: bool(states(heard)) and states(heard)[-1].at > moment

    bus.start("fusion")
    bus.wait_for(lambda _: bool(bus.health("fusion")))
    bus.start("biometrics", "--driver", "synthetic", "--subject", "anna")
    bus.wait_for(of_heart_and_skin)
    sensor = bus.processes[-1]
    sensor.kill()
    sensor.wait(20)
    bus.wait_for(lambda _: bool(bus.samples("skin_conductance")))
    last = max(m.at for m in bus.samples("skin_conductance"))
    # The skin's last value is as good as new for five seconds
    bus.wait_for(after(last + 9 * S))
    found = states(bus.heard)
    assert {(state.subject, state.synthetic) for state in found} == {("anna", True)}
    silent = [state for state in found if state.at > last + 6 * S]
    assert len(silent) >= 3
    qualities = [state.signals["skin"].quality for state in silent]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[-1] < qualities[0]
    assert silent[-1].nervousness is not None


def seen(seq: int, signs: FaceSigns) -> Emotion:
    """A result at ten frames a second."""
    shown = EMOTION.faces[0].model_copy(update=signs.model_dump(exclude_unset=True))
    at = {"seq": seq, "captured_at": EMOTION.captured_at + seq * S // 10}
    return EMOTION.model_copy(update={**at, "faces": (shown,)})


def drive(seq: int) -> FaceSigns:
    """Ahead at first; then every ten seconds three of looking aside, with a PERCLOS of 0.1."""
    is_aside = seq > 1000 and seq % 100 < 30
    return FaceSigns(
        yaw=40.0 if is_aside else 5.0, pitch=-2.0, blink=None, doubts=(), perclos=0.1,
        perclos_known_s=60.0,
    )  # fmt: skip


@pytest.mark.parametrize("bus", ["lossless"], indirect=True)
def test_a_driver_who_has_no_sensor_has_a_state_by_the_face(bus: Bus) -> None:
    bus.start("fusion")
    bus.wait_for(lambda _: bool(bus.health("fusion")))
    publisher = BusPublisher(bus.hub)
    last = seen(1700, drive(1700))
    try:
        for seq in range(1701):
            assert publisher.send(Packet(seen(seq, drive(seq))))
        bus.wait_for(lambda heard: bool(states(heard)) and states(heard)[-1].at >= last.captured_at)
    finally:
        publisher.close()
    state = next(state for state in states(bus.heard) if state.at == last.captured_at)
    assert state.off_road
    assert state.off_road.share == pytest.approx(0.3, abs=0.01)
    assert state.off_road.longest_s == pytest.approx(3.0, abs=0.11)
    assert state.off_road.long_glances == 6
    assert state.drowsiness
    assert state.drowsiness.level == pytest.approx(40.0)
    assert state.drowsiness.quality == 1
    assert state.signals["heart"].reason == "no heart signal"
