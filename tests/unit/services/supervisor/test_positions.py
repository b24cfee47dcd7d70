"""How far streams have come, by numbers that arrive in any order."""

import pytest

from affectline.common.runtime.keeping import KNOWN_KEYS
from affectline.services.supervisor.positions import ContiguousRun


@pytest.mark.parametrize(
    ("numbers", "following"),
    [((0, 1, 2), 3), ((2, 0, 1), 3), ((0, 2, 3), 1), ((1, 2), 0), ((0, 1, 0, 1, 2), 3)],
)
def test_the_first_missing_number(numbers: tuple[int, ...], following: int) -> None:
    run = ContiguousRun(0)
    for number in numbers:
        run.add(number)
    assert run.next == following


def test_a_number_that_never_comes_is_given_up() -> None:
    run = ContiguousRun(0)
    for number in range(20_000):
        if number != 500:
            run.add(number)
        assert number < 500 or run.next == 500 or number > 500 + KNOWN_KEYS
    assert run.next == 20_000
    run.add(10)  # sent again
    assert not run._later
