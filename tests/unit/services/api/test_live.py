"""Which streams of a running pipeline have ended, and which hub an address means."""

import pytest

from affectline.common.wire.base import Message
from affectline.services.api.live import HUB, _StreamEnds
from tests.samples import EMOTION, PACKETS

START, END, DONE = (PACKETS[name].message for name in ("StreamStart", "StreamEnd", "StreamDone"))


def of(message: Message, **changes: object) -> Message:
    return message.model_copy(update={"stream": "a", **changes})


@pytest.mark.parametrize(
    ("messages", "are_done"),
    [
        ([], False),
        ([of(EMOTION)], False),
        ([of(EMOTION), of(DONE)], True),
        ([of(DONE), of(EMOTION)], True),
        ([of(END, last_seq=3), of(EMOTION, seq=2)], False),
        ([of(END, last_seq=3), of(EMOTION, seq=3)], True),
        ([of(DONE), of(START)], False),
        ([of(DONE), of(EMOTION, stream="b")], False),
        ([of(DONE), of(EMOTION, stream="b"), of(DONE, stream="b")], True),
    ],
)
def test_streams_have_ended_when_all_of_their_results_have_come(
    messages: list[Message], are_done: bool
) -> None:
    streams = _StreamEnds()
    for message in messages:
        streams.add(message)
    assert streams.are_done == are_done


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:5556", "lab2:7100", "192.168.1.20:5555"])
def test_an_address_is_told_from_a_source(text: str) -> None:
    assert HUB.fullmatch(text)
    assert not HUB.fullmatch(f"{text}/a.mp4")
