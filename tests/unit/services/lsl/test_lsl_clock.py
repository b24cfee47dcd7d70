"""Where events lie on LSL's clock."""

import pytest

from affectline.common.wire.messages import StreamStart
from affectline.services.lsl.lsl_clock import LslClock
from tests.samples import AT, EMOTION

S = 1_000_000_000
OFFSET = AT - 500 * S
"""LSL's clock began so long ago."""
START = StreamStart.example()
CAMERA = EMOTION.model_copy(update={"media_time": None, "captured_at": AT, "received_at": AT})


class Clocks:
    """Ours and LSL's, which runs beside it."""

    def __init__(self) -> None:
        self.now = AT
        self.lsl = LslClock(lambda: self.now, lambda: (self.now - OFFSET) / S)


def test_a_camera_has_its_moment_by_lsls_clock_at_any_time() -> None:
    clocks = Clocks()
    clocks.lsl.observe(CAMERA)
    for later in (0, 7 * S):
        clocks.now = AT + later
        assert clocks.lsl.time_of(AT + later) == 500 + later / S


def test_a_film_lies_where_its_reading_began_and_is_as_long_as_it_is() -> None:
    clocks = Clocks()
    past = AT - 86_400 * S  # it has a date of its own
    clocks.lsl.observe(START.model_copy(update={"started_at": past, "received_at": AT + S}))
    for now, media_s in ((0, 0), (1, 10), (2, 19.6)):  # faster than it plays
        clocks.now = AT + S + now * S
        assert clocks.lsl.time_of(past + round(media_s * S)) == 501 + media_s


FILM = START.model_copy(update={"started_at": AT - 86_400 * S, "received_at": AT})
REPLAY = START.model_copy(update={"replay": True, "kind": "camera", "started_at": 5 * S})


@pytest.mark.parametrize("former", [FILM, REPLAY])
def test_each_run_is_placed_by_itself(former: StreamStart) -> None:
    clocks = Clocks()
    clocks.lsl.observe(former)
    clocks.lsl.time_of(former.started_at)
    clocks.now += 100 * S
    begun = {"started_at": clocks.now, "received_at": clocks.now, "session_start": clocks.now}
    clocks.lsl.observe(START.model_copy(update={**begun, "kind": "camera"}))
    assert clocks.lsl.time_of(clocks.now) == 600, "a camera has its moment by LSL's clock"
    clocks.now += 100 * S
    film = {"started_at": 7 * S, "received_at": clocks.now, "session_start": 7 * S}
    clocks.lsl.observe(START.model_copy(update=film))
    assert clocks.lsl.time_of(8 * S) == 701, "a film where its reading began"
    clocks.now += 100 * S
    clocks.lsl.observe(REPLAY)
    assert clocks.lsl.time_of(5 * S) == 800


def test_the_second_film_of_a_run_is_placed_by_the_first() -> None:
    clocks = Clocks()
    clocks.lsl.observe(FILM)
    second = {"stream": "side", "started_at": FILM.started_at + 3 * S, "received_at": AT + 9 * S}
    clocks.lsl.observe(FILM.model_copy(update=second))
    replaced = {"epoch": FILM.epoch + 1, "first_seq": 40, "received_at": AT + 9 * S}
    clocks.lsl.observe(FILM.model_copy(update=replaced))  # a new process reads on
    assert clocks.lsl.time_of(FILM.started_at) == 500


def test_a_dated_film_that_is_read_again_is_placed_again() -> None:
    clocks = Clocks()
    clocks.lsl.observe(FILM)
    clocks.now += 60 * S
    again = {"epoch": FILM.epoch + 1, "received_at": clocks.now}
    clocks.lsl.observe(FILM.model_copy(update=again))
    assert clocks.lsl.time_of(FILM.started_at) == 560


def test_who_missed_the_beginning_goes_by_the_first_frame() -> None:
    clocks = Clocks()
    film = {"media_time": 3 * S, "captured_at": 3 * S, "received_at": AT}
    clocks.lsl.observe(EMOTION.model_copy(update=film))
    assert [clocks.lsl.time_of(second * S) for second in (3, 4)] == [500, 501]


def test_a_replay_lies_where_it_is_heard_and_again_after_a_jump() -> None:
    clocks = Clocks()
    begun = START.model_copy(update={"replay": True, "kind": "camera", "started_at": 5 * S})
    clocks.lsl.observe(begun)
    assert clocks.lsl.time_of(5 * S) == 500
    clocks.now += S
    assert clocks.lsl.time_of(7 * S) == 502, "at twice the rate"
    clocks.lsl.observe(begun.model_copy(update={"epoch": begun.epoch + 1}))
    assert clocks.lsl.time_of(2 * S) == 501
