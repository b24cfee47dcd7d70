"""Seconds of recordings: on a session's time line, and by the clock of arrival of older ones."""

from pathlib import Path

import pytest

from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.recording.time_line import (
    find_session_start,
    in_event_order,
    read_time_line,
    with_seconds,
)
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Marker, Packet
from tests.samples import PACKETS

S = 1_000_000_000
HOUR = 3600 * S
START = 400_000 * HOUR


def recorded(
    log_time: int, topic: str = "frame/a", event_time: int | None = None
) -> RecordedMessage:
    at = log_time if event_time is None else event_time
    kind = "Marker" if topic.startswith("marker/") else "Frame"
    return RecordedMessage(log_time, at, kind, (topic.encode(),))


def recording(path: Path, about: dict[str, object], *times: tuple[int, int]) -> SessionReader:
    """A recording of markers, each with its ``log_time`` and ``publish_time``."""
    writer = SessionWriter(path / "s.mcap", about)
    for log_time, publish_time in times:
        packet = Packet(Marker(session="s", at=publish_time, label="x"))
        writer.add("Marker", codec.encode(packet), log_time, publish_time)
    writer.finish()
    return SessionReader(path / "s.mcap")


def test_a_recording_covers_its_part_of_the_sessions_time_line(tmp_path: Path) -> None:
    times = [(START + 600 * S, 1), (START + 630 * S, 2)]
    with recording(tmp_path, {"session_start": START}, *times) as reader:
        line = read_time_line(reader)
        assert find_session_start(reader) == START
    assert (line.is_of_session, line.zero) == (True, START)
    assert (line.second(line.first), line.end_s, line.seconds) == (600, 630, 30)


@pytest.mark.parametrize("about", [{}, {"session_start": "noon"}, {"session_start": True}])
def test_an_older_recording_goes_by_arrival(tmp_path: Path, about: dict[str, object]) -> None:
    times = [(START + 2, START), (START + S, START + S - 5), (START + 3 * S, 7)]
    with recording(tmp_path, about, *times) as reader:
        line = read_time_line(reader)
        assert find_session_start(reader) == START, "its first event; a tool's wrong time is none"
    assert (line.is_of_session, line.zero, line.end_s) == (False, START + 2, (3 * S - 2) / S)


def test_a_recording_of_nothing_has_no_time(tmp_path: Path) -> None:
    with recording(tmp_path, {}) as reader:
        assert find_session_start(reader) is None
        assert read_time_line(reader).seconds == 0


def test_a_recording_that_has_just_begun_has_a_single_time(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"session_start": START})
    writer.add("Frame", codec.encode(PACKETS["Frame"]), START + 2 * S, 1)
    writer.flush()
    writer.close()
    with SessionReader(tmp_path / "s.mcap") as reader:
        line = read_time_line(reader)
    assert (line.second(line.first), line.end_s) == (2, 2)


def test_a_long_silence_is_time_that_nobody_waits_through() -> None:
    """Two films of one day, an hour apart, and a message that came too late."""
    times = [0, 20 * S, HOUR, HOUR - S, HOUR + 30 * S, HOUR + 95 * S]
    timed = list(with_seconds((recorded(START + at) for at in times), START))
    assert [one.second for one in timed] == [0, 20, 3600, 3599, 3630, 3695]
    assert [one.played_s for one in timed] == [0, 20, 20, 19, 50, 50]


def places(*messages: tuple[float, str]) -> list[tuple[float, float]]:
    """By message: its second, and when it is played."""
    timed = with_seconds((recorded(START + round(at * S), topic) for at, topic in messages), START)
    return [(one.second, one.played_s) for one in timed]


@pytest.mark.parametrize(
    ("marker_s", "shown_s", "played_s"),
    [(2.5, 2.5, 2.5), (30, 3, 3), (3600, 3, 3), (1.5, 1.5, 1.5), (-3600, -3600, 3)],
)
def test_a_marker_of_a_wrong_clock_changes_no_other_message_s_time(
    marker_s: float, shown_s: float, played_s: float
) -> None:
    found = places(
        (2, "frame/a"), (marker_s, "marker/s"), (3, "frame/a"), (4, "frame/a"), (5, "bio/b/eda")
    )
    assert found.pop(1) == (shown_s, played_s)
    assert found == [(second, second) for second in (2, 3, 4, 5)]


@pytest.mark.parametrize("marker_s", [-3600, 2, 3600])
def test_a_marker_may_come_first(marker_s: float) -> None:
    found = places((marker_s, "marker/s"), (3, "frame/a"), (4, "frame/a"))
    assert found[1:] == [(3, 3), (4, 4)]
    assert 2 <= found[0][1] <= 3


def test_a_marker_in_a_silence_does_not_make_it_shorter() -> None:
    found = places((0, "frame/a"), (20, "marker/s"), (3600, "frame/a"), (3601, "frame/a"))
    assert found == [(0, 0), (20, 0), (3600, 0), (3601, 1)]


def test_markers_that_nothing_follows_stay_where_they_are() -> None:
    assert places((0, "marker/s"), (9, "marker/s"), (99, "marker/s")) == [(0, 0), (9, 9), (99, 9)]
    assert places((0, "frame/a"), (9, "marker/s")) == [(0, 0), (9, 9)]


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("marker_s", [-3600, -200, 3600, 200, 10, 15.5])
@pytest.mark.parametrize("place", [0, 10, 20])
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_stray_marker_makes_no_recording_longer(
    tmp_path: Path, chunk: int, place: int, marker_s: float, is_finished: bool
) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"session_start": START})
    packet = codec.encode(Packet(Marker(session="s", at=1, label="x")))
    for number in range(21):
        if number == place:
            writer.add("Marker", packet, START + round(marker_s * S), 1)
        name, frame = "Frame", codec.encode(PACKETS["Frame"])
        writer.add(name, frame, START + number * S, 1)
        if number % chunk == 0:
            writer.flush()
    if place == 20:
        writer.flush()
        writer.add("Marker", packet, START + round(marker_s * S), 1)
    if is_finished:
        writer.finish()
    else:
        writer.flush()
        writer.close()
    with SessionReader(tmp_path / "s.mcap") as reader:
        line = read_time_line(reader)
    is_near = abs(marker_s) <= 300
    first, last = (min(0, marker_s), max(20, marker_s)) if is_near else (0, 20)
    assert (line.second(line.first), line.end_s) == (first, last)


def test_a_recording_may_begin_anywhere_on_the_time_line() -> None:
    for first in (-3, 500):
        messages = [recorded(START + (first + at) * S) for at in (0, 2)]
        seconds = [(one.second, one.played_s) for one in with_seconds(messages, START)]
        assert seconds == [(first, first), (first + 2, first + 2)]


def test_arrivals_are_put_into_the_order_of_events() -> None:
    messages = [
        recorded(10 * S, "frame/a", 9 * S),
        recorded(10 * S + 1, "bio/anna/heart_rate", 8 * S + 5),  # a second of samples
        recorded(11 * S, "marker/s", 10 * S),
        recorded(11 * S + 2, "frame/b", 9 * S + 5),
        recorded(12 * S, "stream/b", 9 * S),  # not before its frames
        recorded(13 * S, "marker/s", 5 * S),  # far too late
    ]
    ordered = [
        one.recorded.topic
        for one in in_event_order(with_seconds(messages, None), is_of_session=False)
    ]
    assert ordered == [
        "bio/anna/heart_rate", "frame/a", "frame/b", "stream/b", "marker/s", "marker/s",
    ]  # fmt: skip


@pytest.mark.parametrize("set_by", [-HOUR, HOUR])
def test_a_clock_that_was_set_changes_no_order(set_by: int) -> None:
    times = [START + at * S + set_by * (at > 3) for at in range(8)]
    messages = [recorded(at, f"frame/{index % 2}") for index, at in enumerate(times)]
    ordered = [
        one.recorded.log_time
        for one in in_event_order(with_seconds(messages, None), is_of_session=False)
    ]
    assert ordered == times


def test_what_came_too_late_for_its_place_is_put_there() -> None:
    topics = ("frame/a", "frame/a", "bio/b/eda", "frame/a", "marker/s")
    messages = [
        recorded(START + at * S, topic) for at, topic in zip((0, 2, 1, 3, 1), topics, strict=True)
    ]
    timed = with_seconds(messages, START)
    ordered = [
        (one.second, one.recorded.topic) for one in in_event_order(timed, is_of_session=True)
    ]
    assert ordered == [
        (0, "frame/a"), (1, "bio/b/eda"), (1, "marker/s"), (2, "frame/a"), (3, "frame/a"),
    ]  # fmt: skip
