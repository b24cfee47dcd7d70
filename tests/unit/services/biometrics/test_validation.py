import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.wire.biometrics import MAX_SAMPLES, Samples
from affectline.services.biometrics.driver import Reading
from affectline.services.biometrics.validation import (
    MonotonicTimestamps,
    rate_plausibility,
    time_of,
    validate,
)
from tests.unit.services.biometrics.fakes import START, beat

S = 1_000_000_000
numbers = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
even = st.builds(
    Reading,
    signal=st.sampled_from(["ecg", "heart_rate", "mood"]),
    unit=st.just("1"),
    at=st.integers(0, 2**60),
    values=st.lists(numbers, min_size=1, max_size=40).map(tuple),
    rate=st.floats(0.01, 1000),
)
uneven = st.lists(st.integers(0, S), min_size=1, max_size=40).flatmap(
    lambda steps: st.builds(
        Reading,
        signal=st.just("rr_interval"),
        unit=st.just("ms"),
        at=st.integers(0, 2**60),
        values=st.lists(numbers, min_size=len(steps), max_size=len(steps)).map(tuple),
        offsets=st.just(tuple(sum(steps[1 : i + 1]) for i in range(len(steps)))),
    )
)


def as_message(reading: Reading) -> Samples:
    measured = {name: value for name, value in vars(reading).items() if name != "events"}
    return Samples(subject="a", epoch=1, seq=0, **measured)


@given(even | uneven)
def test_every_finite_value_stays_at_its_time(reading: Reading) -> None:
    counters: Counter[str] = Counter()
    before = [(time_of(reading, i), v) for i, v in enumerate(reading.values) if math.isfinite(v)]
    after = [
        (time_of(piece, i), v)
        for piece in validate(reading, counters)
        for i, v in enumerate(as_message(piece).values)
    ]
    assert [v for _, v in after] == [v for _, v in before]
    assert all(abs(a - b) <= 1 for (a, _), (b, _) in zip(after, before, strict=True))
    assert counters["missing"] == len(reading.values) - len(before)


def test_long_readings_are_cut_to_messages() -> None:
    long = Reading("ecg", "mV", START, (0.5,) * (2 * MAX_SAMPLES + 1), 256.0)
    pieces = list(validate(long, Counter()))
    assert [len(as_message(piece).values) for piece in pieces] == [MAX_SAMPLES, MAX_SAMPLES, 1]
    assert pieces[1].at == START + MAX_SAMPLES * S // 256


def test_what_no_person_shows_lowers_the_quality() -> None:
    good = rate_plausibility(Reading("heart_rate", "/min", 0, (61.0, 62.0), 1.0))
    assert (good.quality, good.reason) == (1.0, "")
    odd = rate_plausibility(Reading("heart_rate", "/min", 0, (61.0, 0.0, 265.0, 62.0), 1.0))
    assert (odd.quality, odd.reason) == (0.5, "not between 25 and 250 /min")
    loose = rate_plausibility(
        Reading("heart_rate", "/min", 0, (0.0,), 1.0, quality=0.0, reason="no contact")
    )
    assert (loose.quality, loose.reason) == (0.0, "no contact")
    assert rate_plausibility(Reading("mood", "1", 0, (1e9,), 1.0)).quality == 1.0


@given(st.lists(even | uneven, min_size=1, max_size=8))
def test_times_fall_only_if_the_clock_was_set_back_and_nothing_is_dropped(
    readings: list[Reading],
) -> None:
    order, counters, last = MonotonicTimestamps(), Counter[str](), -1
    for reading in readings:
        for piece in validate(reading, Counter()):
            placed = order.adjust(piece, counters)
            assert placed is not None
            assert placed.values == piece.values
            times = [time_of(placed, i) for i in range(len(placed.values))]
            if times[0] < last:
                assert times[0] == piece.at <= last - S
                assert placed.reason
                assert placed.quality <= 0.5
            assert times == sorted(times)
            last = times[-1]
    assert counters["invalid"] == 0


def ecg(at: int) -> Reading:
    return Reading("ecg", "mV", at, (0.0,) * 130, 130.0)


@pytest.mark.parametrize("make", [beat, ecg])
@pytest.mark.parametrize("back_s", [3, 3600])
def test_a_signal_follows_a_clock_that_is_set_back(
    make: Callable[[int], Reading], back_s: int
) -> None:
    order, counters = MonotonicTimestamps(), Counter[str]()
    raw = [make(START + (i - (back_s if i >= 2 else 0)) * S) for i in range(60)]
    placed = [order.adjust(one, counters) for one in raw]
    assert [one.at for one in placed if one] == [one.at for one in raw]
    marked = {i: (one.quality, one.reason) for i, one in enumerate(placed) if one and one.reason}
    assert marked == {2: (0.5, "the clock was set back")}
    assert counters == {"reanchored": 1}


def test_after_a_message_that_came_late_times_are_right() -> None:
    order, counters = MonotonicTimestamps(), Counter[str]()
    order.adjust(ecg(START + 2 * S + S // 2), counters)  # 2.5 s late
    placed = [order.adjust(ecg(START + i * S), counters) for i in range(1, 5)]
    assert [(one.at - START) / S for one in placed if one] == [1, 2, 3, 4]
    assert [bool(one.reason) for one in placed if one] == [True, False, False, False]


def test_after_a_small_step_back_a_signal_comes_back_to_its_time() -> None:
    order, counters, last = MonotonicTimestamps(), Counter[str](), 0
    order.adjust(ecg(START - S), counters)
    late = []
    for i in range(120):
        raw = ecg(START + i * S - 300_000_000)
        placed = order.adjust(raw, counters)
        assert placed
        assert placed == dataclasses.replace(raw, at=placed.at)  # no reason, all samples
        assert placed.at > last
        last = time_of(placed, 129)
        late.append(placed.at - raw.at)
    assert late[0] == pytest.approx(300_000_000, abs=10)
    assert max(a - b for a, b in pairwise(late)) <= S / 130  # a sample
    assert late[-1] == 0


def test_jitter_moves_a_batch_without_a_word() -> None:
    order, counters = MonotonicTimestamps(), Counter[str]()
    order.adjust(Reading("ecg", "mV", START, (0.0,) * 10, 10.0), counters)
    placed = order.adjust(Reading("ecg", "mV", START + S - 150_000_000, (0.0,), 10.0), counters)
    assert placed == Reading("ecg", "mV", START + S, (0.0,), 10.0)


@pytest.mark.parametrize("at", [-5, 2**63])
def test_a_time_that_the_wire_cannot_say_is_counted(at: int) -> None:
    counters: Counter[str] = Counter()
    assert MonotonicTimestamps().adjust(beat(at), counters) is None
    assert counters["invalid"] == 1
