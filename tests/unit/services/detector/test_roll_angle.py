import numpy as np
import pytest

from affectline.services.detector.roll_angle import measure_roll
from tests.unit.services.detector.people import man, scene


@pytest.mark.parametrize("roll", [-30, -20, -10, 0, 10, 20, 30])
@pytest.mark.parametrize("wrong", [-12, 0, 12])
@pytest.mark.parametrize("number", [0, 24])
def test_roll_is_measured_about_a_guess(number: int, roll: int, wrong: int) -> None:
    upright_man = measure_roll(scene((man(number), 120, 20)), (192, 92), 58, 0)
    rolled = scene((man(number, roll), 120, 20))
    measured = measure_roll(rolled, (192, 92), 58, upright_man + roll + wrong)
    assert measured - upright_man == pytest.approx(roll, abs=2)


def test_light_from_one_side_hardly_changes_the_roll() -> None:
    picture = scene((man(0), 120, 20))
    shade = np.linspace(0.2, 1, picture.shape[1])
    lit = np.asarray(picture * shade, np.uint8)
    plain, shaded = (measure_roll(p, (192, 92), 58, 0) for p in (picture, lit))
    assert shaded == pytest.approx(plain, abs=2)


@pytest.mark.parametrize("value", [0, 255])
def test_roll_of_nothing_stays_within_reach(value: int) -> None:
    assert abs(measure_roll(np.full((40, 40), value, np.uint8), (20, 20), 24, 5) - 5) <= 18
