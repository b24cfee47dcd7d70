"""What peers without a key may send."""

from typing import Any

import msgpack
import pytest

from affectline.common.wire import codec
from affectline.common.wire.base import EXAMPLE_AT, Message
from affectline.common.wire.biometrics import MAX_SAMPLES, Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.common.wire.screening import AHEAD_NS
from affectline.services.hub.guest_screen import (
    GUESTS,
    MAX_GUEST_BYTES,
    OPERATOR,
    SENSOR,
    GuestScreen,
    GuestScreens,
    Limits,
)


class Clock:
    seconds = 1000.0

    def screen(self, limits: Limits = GUESTS) -> GuestScreen:
        return GuestScreen(limits, lambda: EXAMPLE_AT, lambda: self.seconds)


def parts(message: Message, **fields: Any) -> list[bytes]:
    changed = type(message).model_validate(message.model_dump() | fields)
    return [bytes(part) for part in codec.encode(Packet(changed))]


def test_the_largest_message_of_a_sensor_is_let_in() -> None:
    values = {"values": (1e300,) * MAX_SAMPLES, "offsets": tuple(range(2**40, 2**40 + MAX_SAMPLES))}
    largest = parts(Samples.example(), **values)
    assert len(largest[1]) < min(MAX_GUEST_BYTES, Samples.max_header_bytes)
    assert Clock().screen().refusal(largest) is None


def test_what_cannot_be_is_refused_by_kind() -> None:
    screen = Clock().screen()
    assert screen.refusal(parts(Marker.example())) is None
    assert screen.refusal(parts(Marker.example(), at=EXAMPLE_AT + AHEAD_NS + 1)) == "time"
    assert screen.refusal([b"marker/s1", msgpack.packb({"message": "Marker"})]) == "invalid"
    assert screen.refusal([b"bio/a/b"]) == "invalid"
    assert screen.refusal(parts(Samples.example())) is None
    assert screen.refusal(parts(Samples.example(), seq=10**9)) == "jump"


@pytest.mark.parametrize("limits", [GUESTS, OPERATOR, SENSOR])
@pytest.mark.parametrize(
    ("message", "field"),
    [(Samples.example(), "subject"), (Samples.example(), "signal"), (Marker.example(), "session")],
)
def test_made_up_names_leave_room_for_others(message: Message, field: str, limits: Limits) -> None:
    clock, refused = Clock(), 0
    screen = clock.screen(limits)
    for number in range(1000):
        clock.seconds += 0.01
        refused += screen.refusal(parts(message, **{field: f"n{number}"})) == "names"
    assert refused == 1000 - limits.topics // (2 if field == "subject" else 1)


@pytest.mark.parametrize("limits", [GUESTS, SENSOR])
def test_a_flood_is_let_in_as_fast_as_sensors_speak(limits: Limits) -> None:
    clock, let_in = Clock(), 0
    screen, small = clock.screen(limits), parts(Marker.example())
    for _ in range(100_000):
        clock.seconds += 1e-4
        let_in += screen.refusal(small) is None
    assert let_in == pytest.approx((10 + limits.burst_s) * limits.messages_per_s, rel=0.01)
    large = parts(Marker.example(), extra={"text": "x" * 60_000})
    let_in = 0
    for _ in range(10_000):
        clock.seconds += 1e-3
        let_in += screen.refusal(large) is None
    assert let_in * 60_000 == pytest.approx((10 + limits.burst_s) * limits.bytes_per_s, rel=0.1)


def test_a_key_s_flood_and_names_are_its_own() -> None:
    clock = Clock()
    screens = GuestScreens(lambda: EXAMPLE_AT, lambda: clock.seconds)
    small = parts(Marker.example())
    flood = [screens.of("strap", "sensor").refusal(small) for _ in range(20_000)]
    assert flood.count("rate") == 20_000 - SENSOR.messages_per_s * SENSOR.burst_s
    for user, role in (("belt", "sensor"), ("desk", "operator"), ("", None)):
        assert screens.of(user, role).refusal(small) is None  # type: ignore[arg-type]


def test_a_name_without_a_key_has_no_allowance_of_its_own() -> None:
    clock = Clock()
    screens = GuestScreens(lambda: EXAMPLE_AT, lambda: clock.seconds)
    assert screens.of("anybody", None) is screens.of("", None)


def test_nothing_is_kept_of_a_key_that_was_revoked() -> None:
    screens = GuestScreens()
    before = screens.of("strap", "sensor"), screens.of("belt", "sensor")
    screens.forget("strap")
    assert screens.of("strap", "sensor") is not before[0]
    assert screens.of("belt", "sensor") is before[1]


def test_what_a_sensor_sends_again_is_judged_like_the_first() -> None:
    screen = Clock().screen(SENSOR)
    again = [b"~to/sink:", *parts(Samples.example())]
    assert screen.refusal(again) is None
    assert screen.refusal([b"~to/sink:", b"bio/a/b"]) == "invalid"
    assert screen.refusal([b"~to/sink:"]) == "invalid"
