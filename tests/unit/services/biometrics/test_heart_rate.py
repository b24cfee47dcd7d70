from hypothesis import given
from hypothesis import strategies as st

from affectline.services.biometrics.heart_rate import (
    HeartRateMeasurement,
    RRTimeline,
    parse_measurement,
)

S = 1_000_000_000


def encode(measurement: HeartRateMeasurement) -> bytes:
    """The message that a strap would send."""
    wide = measurement.rate > 255
    flags = wide | (measurement.contact is not None) << 2 | bool(measurement.contact) << 1
    flags |= (measurement.energy_kj is not None) << 3 | bool(measurement.intervals_ms) << 4
    data = bytes([flags]) + measurement.rate.to_bytes(2 if wide else 1, "little")
    if measurement.energy_kj is not None:
        data += measurement.energy_kj.to_bytes(2, "little")
    for interval in measurement.intervals_ms:
        data += round(interval * 1024 / 1000).to_bytes(2, "little")
    return data


measurements = st.builds(
    HeartRateMeasurement,
    rate=st.integers(0, 65535),
    contact=st.sampled_from([None, True, False]),
    energy_kj=st.none() | st.integers(0, 65535),
    intervals_ms=st.lists(
        st.integers(1, 65535).map(lambda ticks: ticks * 1000 / 1024), max_size=9
    ).map(tuple),
)


def test_what_straps_say() -> None:
    # Flags as a chest strap sends them: RR intervals; contact found and RR; contact lost
    assert parse_measurement(bytes.fromhex("10483d03")) == HeartRateMeasurement(
        72, None, None, (809.5703125,)
    )
    assert parse_measurement(bytes.fromhex("165a8e028802")) == HeartRateMeasurement(
        90, True, None, (638.671875, 632.8125)
    )
    assert parse_measurement(bytes.fromhex("0400")) == HeartRateMeasurement(0, False)


def test_sixteen_bits_and_energy() -> None:
    assert parse_measurement(bytes.fromhex("09 0a01 1027")) == HeartRateMeasurement(
        266, None, 10000
    )


@given(st.binary(max_size=30))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    measurement = parse_measurement(payload)
    if measurement is None:
        assert len(payload) < 2 + (payload[:1] > b"" and payload[0] & 1)
    else:
        assert all(0 < interval < 64_000 for interval in measurement.intervals_ms)


@given(measurements)
def test_what_is_encoded_is_read(measurement: HeartRateMeasurement) -> None:
    assert parse_measurement(encode(measurement)) == measurement


@given(measurements, st.data())
def test_a_message_cut_off_loses_only_what_is_missing(
    measurement: HeartRateMeasurement, data: st.DataObject
) -> None:
    whole = encode(measurement)
    size = data.draw(st.integers(0, len(whole) - 1))
    part = parse_measurement(whole[:size])
    if part is None:
        assert size < 2 + (measurement.rate > 255)
        return
    assert part.rate == measurement.rate
    assert part.energy_kj in (None, measurement.energy_kj)
    assert part.intervals_ms == measurement.intervals_ms[: len(part.intervals_ms)]
    left = size - (len(whole) - 2 * len(measurement.intervals_ms))
    assert len(part.intervals_ms) == max(0, left // 2)


def test_an_interval_of_nothing_and_a_rest_count_as_damage() -> None:
    assert parse_measurement(bytes.fromhex("10480000")) == HeartRateMeasurement(72, damaged=True)
    assert parse_measurement(bytes.fromhex("1048000400")) == HeartRateMeasurement(
        72, None, None, (1000.0,), damaged=True
    )
    assert parse_measurement(bytes.fromhex("0048ff")) == HeartRateMeasurement(72, damaged=True)


def test_beats_go_back_from_the_arrival() -> None:
    assert RRTimeline().timestamp(10 * S, (900.0, 800.0, 700.0)) == [
        8_500_000_000,
        9_300_000_000,
        10 * S,
    ]
    assert RRTimeline().timestamp(10 * S, ()) == []


def test_beats_are_chained_so_that_the_radio_does_not_show() -> None:
    beats = RRTimeline()
    assert beats.timestamp(10 * S, (1000.0,)) == [10 * S]
    assert beats.timestamp(11 * S + 80_000_000, (1000.0,)) == [11 * S]  # 80 ms late
    assert beats.timestamp(12 * S - 50_000_000, (1000.0,)) == [11_950_000_000]  # less late
    assert beats.timestamp(13 * S, (1000.0,)) == [12_950_000_000]


def test_a_lost_beat_breaks_the_chain() -> None:
    beats = RRTimeline()
    beats.timestamp(10 * S, (1000.0,))
    assert beats.timestamp(13 * S, (1000.0,)) == [13 * S]


def test_a_lost_notification_does_not_make_beats_early() -> None:
    beats = RRTimeline()
    for second in range(10, 20):
        beats.timestamp(second * S, (1000.0,))
    assert beats.timestamp(21 * S, (1000.0,)) == [21 * S], "not one interval after 19 s"
    assert beats.timestamp(22 * S, (1000.0,)) == [22 * S]


def test_a_notification_without_a_beat_does_not_break_the_chain() -> None:
    beats = RRTimeline()
    assert beats.timestamp(10 * S, (1500.0,)) == [10 * S]
    beats.timestamp(11 * S, ())
    assert beats.timestamp(12 * S, (1500.0,)) == [11_500_000_000]


def test_the_strap_clock_set_back_breaks_the_chain() -> None:
    beats = RRTimeline()
    beats.timestamp(1000 * S, (1000.0,))
    assert beats.timestamp(10 * S, (1000.0, 900.0)) == [9_100_000_000, 10 * S]
