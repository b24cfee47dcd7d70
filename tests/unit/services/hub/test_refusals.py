"""Refusals and failures: each counted, and logged once, whatever peers do."""

from collections import Counter

import pytest
import zmq

from affectline.services.hub.refusals import MOST_FAILURES, SAID_OF_A_KIND, Refusals


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_each_kind_is_logged_once_for_each_key(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(Counter())
    for user in ("wall", "desk", ""):
        for number in range(3):
            refusals.count("subscription to", user, detail=f"frame/{number}")
    refusals.count("marker/", "desk", reason="rate", counter="refused_rate")
    refusals.count("marker/", "desk", reason="names", counter="refused_names")
    assert [text.partition(";")[0] for text in texts(caplog)] == [
        "refused: subscription to frame/0 of wall",
        "refused: subscription to frame/0 of desk",
        "refused: subscription to frame/0 of a peer without a key",
        "refused: marker/ of desk (rate)",
        "refused: marker/ of desk (names)",
    ]
    assert refusals.counters == {"refused": 9, "refused_rate": 1, "refused_names": 1}


def test_a_kind_that_is_refused_often_leaves_room_for_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = Refusals(Counter())
    for number in range(SAID_OF_A_KIND + 50):
        refusals.count("a connection", f"an unknown key at 10.0.{number}")
    assert len(texts(caplog)) == SAID_OF_A_KIND
    refusals.count("emotion/", "wall")
    assert texts(caplog)[-1].startswith("refused: emotion/ of wall")


def fail(refusals: Refusals, error: Exception) -> None:
    with refusals.surviving("a message"):
        raise error


def test_a_failure_is_counted_and_logged_once_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = Refusals(Counter())
    for _ in range(3):
        fail(refusals, KeyError("x"))
    with refusals.surviving("a message"):
        int("no number")
    assert refusals.counters == {"failed": 4}
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert texts(caplog)[0].startswith("failed: a message (KeyError)")
    assert all(record.exc_info for record in caplog.records)


def test_failures_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(Counter())
    for number in range(2 * MOST_FAILURES):
        with refusals.surviving(f"message {number}"):
            raise ValueError
    assert len(texts(caplog)) == MOST_FAILURES
    assert refusals.counters["failed"] == 2 * MOST_FAILURES


def test_the_end_of_the_hub_is_no_failure() -> None:
    refusals = Refusals(Counter())
    with pytest.raises(zmq.ContextTerminated):
        fail(refusals, zmq.ContextTerminated())
    with pytest.raises(KeyboardInterrupt), refusals.surviving("a message"):
        raise KeyboardInterrupt
    with refusals.surviving("a message"):
        raise zmq.Again
    assert refusals.counters == {"failed": 1}
