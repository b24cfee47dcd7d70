"""What time it is in a session, and what that moment is called."""

import re

import pytest

from affectline.common.runtime.session_clock import SessionClock
from affectline.common.wire.messages import Emotion, StreamStart
from tests.samples import AT, EMOTION

S = 1_000_000_000
START = StreamStart.example().model_copy(update={"session_start": AT - 5 * S})
CAMERA = EMOTION.model_copy(update={"media_time": None})
PICTURE = CAMERA.model_copy(update={"file": "a.png"})


def clock_after(*messages: object) -> SessionClock:
    clock = SessionClock(lambda: 77)
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


def test_a_moment_is_called_by_its_second_as_far_as_that_is_known() -> None:
    date = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.329 [+-]\d{4}"
    for messages, words in (
        ((START, EMOTION), rf"5\.000 s of the session \({date}\)"),
        ((EMOTION,), rf"0\.292 s of drive \({date}\)"),
        ((PICTURE,), date),
        ((CAMERA,), date),
    ):
        assert re.fullmatch(words, clock_after(*messages).describe(AT))
