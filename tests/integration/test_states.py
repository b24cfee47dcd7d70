"""From sensors to states: real processes, and what is left when one of them is killed."""

from collections.abc import Callable

import pytest

from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import State
from tests.integration.buses import Bus

S = 1_000_000_000


@pytest.fixture
def bus(bus: Callable[..., Bus]) -> Bus:
    return bus(prefixes=("bio/", "state/"))


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
