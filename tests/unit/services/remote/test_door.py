"""Whoever guesses the remote control's token waits; an experiment that knows it never does."""

import pytest

pytest.importorskip("starlette", reason="the remote control needs Starlette (the remote extra)")

from affectline.services.remote.web import WELCOME_S, Door

RIGHT = "Bearer right"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def code(door: Door, authorization: str, address: str = "192.0.2.1") -> int:
    problem = door.find_problem(authorization, address)
    return problem.status_code if problem else 200


def test_guessing_takes_longer_and_longer() -> None:
    clock = Clock()
    door = Door("right", clock)
    for wait_s in (1, 2, 4, 8):
        assert code(door, "Bearer wrong") == 401
        clock.now += wait_s - 0.1
        assert code(door, RIGHT) == 429, "not looked at"
        assert code(door, RIGHT, "192.0.2.2") == 200, "another address"
        clock.now += 0.1
    assert code(door, RIGHT) == 200


def test_who_forgets_the_token_does_not_wait() -> None:
    door = Door("right", Clock())
    assert [code(door, "") for _ in range(3)] == [401] * 3
    assert code(door, RIGHT) == 200


def test_an_experiment_is_not_shut_out_by_its_neighbour() -> None:
    clock = Clock()
    door = Door("right", clock)
    assert code(door, RIGHT) == 200
    for _ in range(20):
        assert code(door, "Bearer wrong") == 401
        assert code(door, RIGHT) == 200
    clock.now += WELCOME_S + 1
    assert code(door, "Bearer wrong") == 401
    assert code(door, RIGHT) == 429
