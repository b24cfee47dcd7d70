"""What time it is in a session, and what that moment is called."""

import re

import pytest

from affectline.common.runtime.session_clock import SessionClock
from affectline.common.wire.messages import Emotion, StreamEnd, StreamStart
from tests.samples import AT, EMOTION

S = 1_000_000_000
CLOCK = 77
END = StreamEnd.example().model_copy(update={"epoch": EMOTION.epoch})
START = StreamStart.example().model_copy(update={"session_start": AT - 5 * S})
CAMERA = EMOTION.model_copy(update={"media_time": None})
PICTURE = CAMERA.model_copy(update={"file": "a.png"})


def clock_after(*messages: object) -> SessionClock:
    clock = SessionClock(lambda: CLOCK)
    for message in messages:
        clock.observe(message)
    return clock


@pytest.mark.parametrize(
    ("messages", "now"),
    [
        ((), 77),
        ((CAMERA,), 77),
        ((EMOTION,), AT),
        ((PICTURE,), AT),
        ((START.model_copy(update={"replay": True}), CAMERA), AT),
        ((EMOTION, EMOTION.model_copy(update={"stream": "b", "captured_at": AT + 9})), AT + 9),
        ((EMOTION, EMOTION.model_copy(update={"captured_at": AT - 9})), AT - 9),  # sought
    ],
)
def test_films_have_the_time_of_their_newest_frame(
    messages: tuple[StreamStart | Emotion, ...], now: int
) -> None:
    clock = clock_after(*messages)
    assert clock.now() == now
    assert clock.is_known == any(isinstance(message, Emotion) for message in messages)


BESIDE = CAMERA.model_copy(update={"stream": "cam", "captured_at": AT + 9})
BESIDE_START = START.model_copy(update={"stream": "cam"})
LAST = EMOTION.model_copy(update={"captured_at": AT + 3})


@pytest.mark.parametrize(
    ("messages", "now"),
    [
        ((START, EMOTION, END), AT),  # what a person has just seen is its last frame
        ((START, EMOTION, END, LAST), AT + 3),  # results follow the end
        ((START, EMOTION, END, BESIDE_START), CLOCK),  # another run
        ((START.model_copy(update={"replay": True}), CAMERA, END, BESIDE_START, BESIDE), CLOCK),
        ((START, BESIDE_START, EMOTION, BESIDE, END), CLOCK),  # the camera goes on
        ((START, BESIDE_START, EMOTION, BESIDE, END, LAST), CLOCK),
        ((EMOTION, BESIDE, END), CLOCK),  # it has listened only since then
        ((START, EMOTION, END, START, EMOTION), AT),
    ],
)
def test_films_that_have_ended_have_no_say_beside_others(
    messages: tuple[object, ...], now: int
) -> None:
    assert clock_after(*messages).now() == now


def test_a_moment_is_called_by_its_second_as_far_as_that_is_known() -> None:
    date = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.329 [+-]\d{4}"
    for messages, words in (
        ((START, EMOTION), rf"5\.000 s of the session \({date}\)"),
        ((EMOTION,), rf"0\.292 s of drive \({date}\)"),
        ((PICTURE,), date),
        ((CAMERA,), date),
    ):
        assert re.fullmatch(words, clock_after(*messages).describe(AT))
