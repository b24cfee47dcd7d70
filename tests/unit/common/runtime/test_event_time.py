"""Messages of several sources in the order of their events, whatever the order of arrival."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.runtime.event_time import (
    AHEAD_NS,
    LIVE_WAIT_S,
    MOST_EPOCHS,
    MOST_HELD,
    MOST_HELD_BYTES,
    MOST_MARKERS,
    MOST_PASSED_OVER,
    MOST_SOURCES,
    SECOND,
    SILENCE_S,
    START_S,
    EventTimeMerger,
    RepeatFilter,
    SourceAlignment,
)
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.common.wire.watermark import Watermark
from tests.samples import EMOTION, PACKETS

START = 1_795_445_587 * SECOND
FILM, TABLE = "capture/front", "biometrics/anna/csv"


def frame(at_s: float) -> Emotion:
    update = {
        "stream": "front", "seq": round(at_s * 100), "captured_at": START + round(at_s * SECOND),
    }  # fmt: skip
    return EMOTION.model_copy(update=update)


def sample(at_s: float) -> Samples:
    example = PACKETS["Samples"].message
    update = {"seq": round(at_s * 100), "at": START + round(at_s * SECOND)}
    changed = example.model_copy(update=update)
    assert isinstance(changed, Samples)
    return changed


def marker(at_s: float) -> Marker:
    return Marker(session="s", at=START + round(at_s * SECOND), label="x")


def reached(source: str, at_s: float, *, ended: bool = False) -> Watermark:
    return Watermark(source=source, at=START + round(at_s * SECOND), ended=ended)


def give(merger: EventTimeMerger, messages: Iterable[Message], now_s: float = 0.0) -> list[Message]:
    given: list[Message] = []
    for message in messages:
        if isinstance(message, Watermark):
            merger.observe(message, now_s)
        else:
            merger.push(Packet(message), now_s)
        given += [packet.message for packet in merger.pop_ready(now_s)]
    return given


def seconds(messages: Iterable[Message]) -> list[float]:
    return [((message.event_time or 0) - START) / SECOND for message in messages]


def test_a_film_waits_for_the_table_and_the_table_for_the_film() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    assert not give(merger, [frame(0), frame(1), sample(0.5)])
    assert seconds(give(merger, [reached(TABLE, 0.6)])) == [0, 0.5]
    assert seconds(give(merger, [sample(0.7), reached(TABLE, 9)])) == [0.7, 1]
    assert not give(merger, [sample(1.5)]), "the next frame may be earlier"
    assert seconds(give(merger, [frame(1.2), frame(2)])) == [1.2, 1.5, 2]


def test_a_source_that_has_ended_is_not_waited_for() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    give(merger, [frame(0), frame(1), reached(TABLE, 0.5, ended=True)])
    assert seconds(give(merger, [frame(2)])) == [2]
    assert seconds(give(merger, [reached(FILM, 2, ended=True), sample(7)])) == [7]
    assert merger.have_all_ended


def test_a_source_that_has_fallen_silent_is_not_waited_for_until_it_is_back() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    give(merger, [reached(TABLE, 0)])
    for second in range(int(SILENCE_S) + 1):  # the film goes on, the table says nothing
        assert not give(merger, [frame(second + 1)], second)
    now_s = SILENCE_S + 0.5
    assert len(give(merger, [frame(30)], now_s)) == SILENCE_S + 2
    assert merger.lost == [TABLE]
    assert not give(merger, [reached(TABLE, 30), frame(31)], now_s)
    assert merger.lost == []


def state(at_s: float) -> State:
    changed = PACKETS["State"].message.model_copy(update={"at": START + round(at_s * SECOND)})
    assert isinstance(changed, State)
    return changed


def sample_of(subject: str, at_s: float) -> Samples:
    return sample(at_s).model_copy(update={"subject": subject})


def test_samples_and_states_are_signs_of_life_of_their_source() -> None:
    merger = EventTimeMerger((FILM, TABLE, "biometrics/anna-smith/csv", "fusion"), "lossless")
    for second in range(3 * int(SILENCE_S)):
        give(merger, [sample_of("anna-smith", second), state(second)], second)
    assert merger.lost == []
    for second in range(3 * int(SILENCE_S), 5 * int(SILENCE_S)):
        give(merger, [sample_of("anna-smith", second), state(second)], second)
    assert merger.lost == [FILM, TABLE], "neither has said anything"


def test_of_two_sensors_of_a_person_each_speaks_for_itself() -> None:
    other = "biometrics/anna/e4"
    merger = EventTimeMerger((TABLE, other), "lossless")
    give(merger, [reached(TABLE, 0), reached(other, 0)])
    for second in range(2 * int(SILENCE_S)):
        give(merger, [sample_of("anna", second), reached(TABLE, second)], second)
    assert merger.lost == [other]


def test_time_in_which_the_consumer_itself_stood_still_is_no_silence() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    give(merger, [reached(TABLE, 0), frame(1)])
    assert not give(merger, [frame(2)], now_s=1000.0)
    assert merger.lost == []


def test_what_comes_too_late_is_given_and_counted() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    give(merger, [frame(5), reached(TABLE, 6)])
    assert merger.late == 0
    assert seconds(give(merger, [sample(4)])) == [4]
    assert merger.late == 1


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_a_marker_with_a_wrong_time_makes_nothing_late(delivery: str) -> None:
    merger = EventTimeMerger((), delivery)  # type: ignore[arg-type]
    give(merger, [marker(10**6)], now_s=0)
    list(merger.pop_ready(now_s=1))
    give(merger, [frame(1)], now_s=2)
    assert merger.late == 0


def test_without_recorded_sources_nothing_waits() -> None:
    merger = EventTimeMerger((), "lossless")
    assert seconds(give(merger, [sample(3), frame(1), marker(2)])) == [3, 1, 2]


def test_a_source_that_was_not_expected_is_learnt_from_what_it_says() -> None:
    merger = EventTimeMerger((), "lossless")
    assert seconds(give(merger, [reached(TABLE, 1), sample(0), frame(2)])) == [0]
    assert seconds(give(merger, [reached(TABLE, 3)])) == [2]


def test_live_nothing_is_held_longer_than_a_moment() -> None:
    merger = EventTimeMerger((), "live")
    assert not give(merger, [frame(1), sample(0.9)], now_s=5)
    assert not list(merger.pop_ready(5 + LIVE_WAIT_S - 0.01))
    ready = merger.pop_ready(5 + LIVE_WAIT_S)
    assert seconds(packet.message for packet in ready) == [0.9, 1]


@pytest.mark.parametrize("lag_s", [1, 20, 3600])
def test_live_a_sensor_whose_clock_is_slow_delays_nobody(lag_s: float) -> None:
    merger = EventTimeMerger((), "live")
    given: list[Message] = []
    for step in range(100):  # ten seconds, so that there is always a young message of the sensor
        now_s = step / 10
        merger.push(Packet(sample(now_s - lag_s)), now_s)
        merger.push(Packet(frame(now_s)), now_s)
        given += [packet.message for packet in merger.pop_ready(now_s)]
        frames = [at for at in seconds(given) if at >= 0 and at in {n / 10 for n in range(100)}]
        if now_s >= 0.5:
            assert frames[-1] >= now_s - LIVE_WAIT_S - 0.1
    assert merger._arrivals == type(merger._arrivals)(sorted(merger._arrivals))
    assert len(merger._arrivals) <= 8
    assert len(merger._released) <= 8


def test_live_a_table_that_lags_stalls_nobody() -> None:
    merger = EventTimeMerger((TABLE,), "live")
    give(merger, [frame(1)], now_s=5)
    assert len(list(merger.pop_ready(5 + LIVE_WAIT_S))) == 1
    assert seconds(give(merger, [sample(0)], now_s=6)) == []
    assert merger.late == 1


def test_what_reaches_this_process_in_detours_is_in_order_too() -> None:
    merger = EventTimeMerger((FILM,), "lossless", slack_ns=SECOND // 2)
    assert not give(merger, [frame(0.1), frame(0.2)])
    assert seconds(give(merger, [frame(0.65)])) == [0.1]


def test_what_is_held_is_bounded() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    given = give(merger, [sample(i / 100) for i in range(MOST_HELD + 10)])
    assert len(given) == 10


@given(st.lists(st.integers(0, 40), max_size=12), st.lists(st.integers(0, 40), max_size=12),
       st.lists(st.integers(0, 40), max_size=4), st.randoms())  # fmt: skip
def test_any_order_of_arrival_gives_the_same_sequence(
    frames: list[int], samples: list[int], markers: list[int], random: object
) -> None:
    """Each source tells its own messages in order; how sources interleave is chance."""
    sources: dict[str, list[Message]] = {
        FILM: [frame(at) for at in sorted(set(frames))],
        TABLE: [m for at in sorted(set(samples)) for m in (sample(at), reached(TABLE, at))],
        "plan": [m for at in sorted(set(markers)) for m in (marker(at), reached("plan", at))],
    }
    for source, messages in sources.items():
        messages.append(reached(source, 50, ended=True))
    expected = sorted(
        (m for messages in sources.values() for m in messages if not isinstance(m, Watermark)),
        key=lambda m: (m.event_time, ("Emotion", "Samples", "Marker").index(type(m).__name__)),
    )
    merger = EventTimeMerger(sources, "lossless")
    waiting = {name: list(messages) for name, messages in sources.items()}
    arrived: list[Message] = []
    while any(waiting.values()):
        name = random.choice([n for n, left in waiting.items() if left])  # type: ignore[attr-defined]
        arrived.append(waiting[name].pop(0))
    assert give(merger, arrived) == expected
    assert merger.late == 0


def test_a_source_does_not_run_away_from_the_others() -> None:
    film = SourceAlignment(FILM, (FILM, TABLE, "plan"))
    assert not film.may_publish(START, 0), "the others have said nothing yet"
    film.observe(reached(TABLE, 0), 0)
    film.observe(reached("plan", 60), 0)
    assert film.may_publish(START + AHEAD_NS, 0)
    assert not film.may_publish(START + AHEAD_NS + 1, 0)
    film.observe(reached(TABLE, 3, ended=True), 0)
    assert film.may_publish(START + 61 * SECOND, 0)


def test_nobody_waits_for_a_source_that_is_lost() -> None:
    film = SourceAlignment(FILM, (TABLE,))
    for second in range(int(START_S) + 1):
        assert not film.may_publish(START, second)
    assert film.may_publish(START, START_S + 0.5)
    film.observe(reached(TABLE, 0), START_S + 1)
    for second in range(int(START_S) + 1, int(START_S + SILENCE_S) + 2):
        assert not film.may_publish(START + AHEAD_NS + 1, second)
    assert film.may_publish(START + AHEAD_NS + 1, START_S + SILENCE_S + 2)


def test_watermarks_are_said_when_they_move_and_repeated() -> None:
    film = SourceAlignment(FILM, ())
    assert not list(film.announcements(0))

    def said(now_s: float) -> list[tuple[float, bool]]:
        marks = [packet.message for packet in film.announcements(now_s)]
        return [((m.at - START) / SECOND, m.ended) for m in marks if isinstance(m, Watermark)]

    film.reach(START)
    assert said(0) == [(0, False)]
    film.reach(START + SECOND // 10)
    assert said(0.1) == []
    assert said(0.5) == [(0.1, False)]
    film.reach(START + SECOND)
    assert said(0.6) == [(1, False)]
    film.reach(START, ended=True)
    assert said(0.7) == [(1, True)]
    assert said(1.3) == [(1, True)]


def test_a_table_s_successor_repeats_what_was_published() -> None:
    repeated = RepeatFilter()
    table = [sample(at) for at in (0, 0.25, 0.5)]
    assert [repeated.is_repeated(m) for m in table] == [False] * 3
    assert [repeated.is_repeated(m) for m in (*table, sample(0.75))] == [True] * 3 + [False]


def test_what_a_hub_took_along_may_come_behind_its_successors() -> None:
    repeated = RepeatFilter()
    table = [sample(number / 4).model_copy(update={"seq": number}) for number in range(5)]
    order = [0, 1, 4, 2, 3, 2, 3, 4]
    assert [repeated.is_repeated(table[n]) for n in order] == [False] * 5 + [True] * 3


def test_a_sensor_that_begins_anew_and_a_tool_that_does_not_count_repeat_nothing() -> None:
    repeated = RepeatFilter()
    assert not repeated.is_repeated(sample(5))
    again = sample(0)
    assert not repeated.is_repeated(again.model_copy(update={"epoch": again.epoch + 1}))
    uncounted = [sample(at).model_copy(update={"seq": 0}) for at in (6, 7)]
    assert not any(repeated.is_repeated(m) for m in uncounted)


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_everything_is_given_at_the_end(delivery: str) -> None:
    merger = EventTimeMerger((FILM, TABLE), delivery)  # type: ignore[arg-type]
    give(merger, [sample(3), frame(4), marker(2)])
    assert seconds(packet.message for packet in merger.flush()) == [2, 3, 4]
    assert not merger.is_waiting


def test_what_waits_is_bounded_in_bytes_as_well() -> None:
    merger = EventTimeMerger((FILM, TABLE), "lossless")
    part = bytes(1 << 20)
    for seq in range(2 * MOST_HELD_BYTES // len(part)):
        merger.push(Packet(frame(seq / 25), (part,)), 0.0)
    given = [packet for _ in range(4) for packet in merger.pop_ready(0.0)]
    assert len(given) == MOST_HELD_BYTES // len(part)
    assert len(list(merger.flush())) == MOST_HELD_BYTES // len(part)


def test_made_up_sources_are_not_all_waited_for() -> None:
    merger = EventTimeMerger((FILM,), "lossless")
    for number in range(10 * MOST_SOURCES):
        merger.observe(reached(f"biometrics/n{number}", 0), 0.0)
    assert len(merger._watermarks) == MOST_SOURCES


def test_what_is_remembered_of_repeats_is_bounded() -> None:
    repeats = RepeatFilter()
    first = sample(0)
    for number in range(20):
        later = first.model_copy(update={"epoch": first.epoch + number, "seq": 10**6})
        assert not repeats.is_repeated(later)
        assert not repeats.is_repeated(later.model_copy(update={"seq": 3 * 10**6}))
    (epochs,) = repeats._passed_over.values()
    assert len(epochs) <= MOST_EPOCHS
    assert all(len(numbers) <= MOST_PASSED_OVER for numbers in epochs.values())
    for number in range(MOST_MARKERS + 1000):
        assert not repeats.is_repeated(marker(float(number)))
    assert repeats.is_repeated(marker(float(MOST_MARKERS + 999)))
    assert len(repeats._markers) == MOST_MARKERS
