"""The usual direction: robust against looks away, learnt anew, fixed by a calibration."""

import random

import pytest

from affectline.services.fusion.usual_direction import LEARN_S, UsualDirection, densest_mean


def learn(usual: UsualDirection, seconds: int, yaw: float, pitch: float) -> None:
    for _ in range(seconds):
        usual.add(yaw, pitch)
        usual.add(yaw + 0.2, pitch)
        usual.add(yaw - 0.2, pitch)
        usual.close_second()


def test_it_is_unknown_until_half_a_minute_was_seen() -> None:
    usual = UsualDirection()
    learn(usual, round(LEARN_S) - 1, 12.0, -3.0)
    usual.close_second()  # nothing was seen
    assert usual.direction is None
    learn(usual, 1, 12.0, -3.0)
    assert usual.direction == pytest.approx((12.0, -3.0))
    assert usual.seconds == LEARN_S
    assert 0 < usual.maturity < 1


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.45])
def test_looks_to_one_side_do_not_move_it(share: float) -> None:
    random.seed(0)
    values = [random.gauss(5, 3) for _ in range(600)]
    aside = [random.gauss(-35, 5) for _ in range(round(600 * share / (1 - share)))]
    assert densest_mean(values + aside) == pytest.approx(5, abs=1.0)


def test_a_changed_seat_becomes_the_usual_one_in_time() -> None:
    usual = UsualDirection()
    learn(usual, 300, 0.0, 0.0)
    learn(usual, 290, 20.0, 0.0)
    assert usual.direction
    assert usual.direction[0] < 1
    learn(usual, 20, 20.0, 0.0)
    assert usual.direction[0] > 19


def test_a_calibration_fixes_it() -> None:
    usual = UsualDirection()
    learn(usual, 10, 4.0, 2.0)
    usual.freeze()
    learn(usual, 100, 40.0, 2.0)
    assert usual.direction == pytest.approx((4.0, 2.0))
    usual.reset()
    assert usual.direction is None
    learn(usual, 4, 4.0, 2.0)
    usual.freeze()
    assert usual.direction is None, "too little was seen: it goes on learning"
    learn(usual, 40, 6.0, 0.0)
    assert usual.direction == pytest.approx((6.0, 0.0))
