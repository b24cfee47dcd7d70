"""What no receiver believes."""

from typing import Any

import pytest

from affectline.common.wire.base import EXAMPLE_AT, EXAMPLE_EPOCH, Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.face_signs import Blink
from affectline.common.wire.health import Health
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Emotion, Marker, StreamEnd
from affectline.common.wire.screening import (
    AHEAD_NS,
    FORGOTTEN_S,
    MOST_OTHER_TOPICS,
    MOST_SKIPPED,
    MOST_SUBJECTS,
    MOST_TOPICS,
    ImpossibleMessage,
    MessageScreen,
)

SECOND = 1_000_000_000
NOW = EXAMPLE_AT + SECOND
LATER = NOW + AHEAD_NS + SECOND


class Clocks:
    """One that people set, and one that nobody sets."""

    def __init__(self) -> None:
        self.now, self.seconds = NOW, 1000.0

    def screen(self) -> MessageScreen:
        return MessageScreen(lambda: self.now, lambda: self.seconds)


def changed(message: Message, **fields: Any) -> Message:
    return type(message).model_validate(message.model_dump() | fields)


def reason(screen: MessageScreen, message: Message) -> str | None:
    try:
        screen.check(message)
    except ImpossibleMessage as error:
        return error.reason
    return None


@pytest.mark.parametrize("kind", message_kinds().values(), ids=lambda kind: kind.__name__)
def test_every_moment_of_every_message_is_judged(kind: type[Message]) -> None:
    message = kind.example()
    assert reason(Clocks().screen(), message) is None
    moments = {
        "at", "captured_at", "received_at", "detected_at", "classified_at", "published_at",
        "started_at", "session_start", "ended_at", "done_at",
    }  # fmt: skip
    for name in moments & set(kind.model_fields):
        assert reason(Clocks().screen(), changed(message, **{name: LATER})) == "time", name
    if "epoch" in kind.model_fields:
        later = changed(message, epoch=LATER // 1_000_000 + 1)
        assert reason(Clocks().screen(), later) == "time"


def test_moments_inside_are_judged_as_well() -> None:
    emotion, samples = Emotion.example(), Samples.example()
    happy = emotion.faces[0].model_copy(update={"blink": Blink(at=LATER, duration_ms=1.0)})
    for message in (
        emotion.model_copy(update={"faces": (happy,)}),
        changed(samples, offsets=(0, AHEAD_NS + 2 * SECOND)),
        changed(samples, offsets=(), rate=1e-6),
    ):
        assert reason(Clocks().screen(), message) == "time"
    assert reason(Clocks().screen(), emotion.model_copy(update={"faces": ()})) is None
    with pytest.raises(ValueError, match="does not fit into 64 bits"):
        changed(samples, offsets=(), rate=5e-324)


def test_clocks_that_differ_by_hours_are_believed() -> None:
    screen = Clocks().screen()
    ahead = changed(Marker.example(), at=NOW + 23 * 3600 * SECOND)
    assert reason(screen, ahead) is None
    unknown = MessageScreen(None)  # a host with a wrong clock of its own
    assert reason(unknown, changed(Marker.example(), at=LATER)) is None


def test_a_clock_that_is_set_back_makes_nothing_of_before_impossible() -> None:
    clocks = Clocks()
    screen = clocks.screen()
    clocks.now -= 3 * AHEAD_NS
    clocks.seconds += 5
    assert reason(screen, changed(Emotion.example(), captured_at=NOW)) is None
    assert reason(screen, changed(Emotion.example(), captured_at=LATER + 5 * SECOND)) == "time"


def test_a_number_far_ahead_of_the_one_before_is_impossible() -> None:
    screen = Clocks().screen()
    first = Emotion.example()
    assert reason(screen, first) is None
    jump = first.seq + MOST_SKIPPED
    assert reason(screen, changed(first, seq=jump + 1)) == "jump"
    assert reason(screen, changed(first, seq=2**48 - 1)) == "jump"
    end = changed(
        StreamEnd.example(), epoch=first.epoch, ended_at=first.captured_at, last_seq=2**47
    )
    assert reason(screen, end) == "jump"
    # What is refused counts for nothing: the sequence goes on
    assert reason(screen, changed(first, seq=first.seq + 1)) is None
    assert reason(screen, changed(first, seq=jump)) is None
    # A new epoch begins with any number: its consumer may have come late
    assert reason(screen, changed(first, epoch=first.epoch + 1, seq=jump * 1000)) is None


def test_a_camera_may_have_been_away_for_hours() -> None:
    clocks = Clocks()
    screen = clocks.screen()
    first = Emotion.example()
    assert reason(screen, first) is None
    clocks.now += 10 * 3600 * SECOND
    back = changed(first, seq=60 * 36_000, captured_at=first.captured_at + 36_000 * SECOND)
    assert reason(screen, back) is None


def test_samples_may_not_jump_either() -> None:
    screen = Clocks().screen()
    samples = Samples.example()
    assert reason(screen, samples) is None
    assert reason(screen, changed(samples, seq=2**40)) == "jump"


@pytest.mark.parametrize(
    ("message", "field", "most"),
    [
        (Emotion.example(), "stream", MOST_TOPICS["emotion"]),
        (Health.example(), "service", MOST_OTHER_TOPICS),
        (Samples.example(), "signal", MOST_OTHER_TOPICS),
        (Samples.example(), "subject", MOST_SUBJECTS),
        (Marker.example(), "session", MOST_OTHER_TOPICS),
    ],
)
def test_names_are_limited_and_those_that_are_known_stay(
    message: Message, field: str, most: int
) -> None:
    clocks = Clocks()
    screen = clocks.screen()
    prefix = "kind/" if field == "service" else ""
    for number in range(most):
        assert reason(screen, changed(message, **{field: f"{prefix}n{number}"})) is None
    for number in range(most, most + 1000):
        assert reason(screen, changed(message, **{field: f"{prefix}n{number}"})) == "names"
    clocks.seconds += FORGOTTEN_S - 1
    assert reason(screen, changed(message, **{field: f"{prefix}n0"})) is None
    clocks.seconds += 2
    # Those that have been silent for long make room, the others stay
    assert reason(screen, changed(message, **{field: f"{prefix}new"})) is None
    assert reason(screen, changed(message, **{field: f"{prefix}n0"})) is None


def test_old_epochs_are_not_judged_by_newer_ones() -> None:
    screen = Clocks().screen()
    emotion = Emotion.example()
    assert reason(screen, emotion) is None
    old = changed(emotion, epoch=EXAMPLE_EPOCH - 1000, seq=10**9)
    assert reason(screen, old) is None
