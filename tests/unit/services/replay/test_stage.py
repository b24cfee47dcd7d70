"""The player, without sockets: what it publishes, and when."""

from pathlib import Path
from typing import Any

import pytest

from affectline.common.clock import now_ns
from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.recording.time_line import with_seconds
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.in_flight import SIZE
from affectline.common.runtime.stage import StageContext
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.control import Command, Control, Pause, Seek, Step
from affectline.common.wire.health import Health, ends_replay
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    Marker,
    Packet,
    Scores,
    StreamDone,
    StreamEnd,
    StreamStart,
)
from affectline.common.wire.screening import MessageScreen
from affectline.common.wire.watermark import Watermark
from affectline.services.replay import stage as module
from affectline.services.replay.replay_stream import EpochNumbers
from affectline.services.replay.spec import ReplaySettings
from affectline.services.replay.stage import Player
from tests import old_recordings

FRAMES = 40
HOUR = 3600 * 10**9


def frame(seq: int) -> Frame:
    return Frame(stream="s", epoch=1, seq=seq, captured_at=seq, received_at=seq, width=9, height=9)


def answer(seq: int) -> Emotion:
    return Emotion(**frame(seq).identity, published_at=seq)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A second: frames with their scores and answers, a marker in the middle, no end."""
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    packets: list[Packet] = [
        Packet(
            StreamStart(
                stream="s",
                epoch=1,
                started_at=0,
                received_at=0,
                session_start=0,
                kind="film",
                source="0",
                live=True,
            )
        )
    ]
    for seq in range(FRAMES):
        packets.append(Packet(frame(seq), (b"picture",)))
        scores = Scores(stream="s", epoch=1, seq=seq, classified_at=seq, model="m")
        packets += [Packet(scores), Packet(answer(seq))]
        if seq == FRAMES // 2:
            packets.append(Packet(Marker(session="s", at=seq, label="half")))
    for i, packet in enumerate(packets):
        writer.add(
            type(packet.message).__name__, codec.encode(packet), i * 10**9 // len(packets), i
        )
    writer.finish()
    return tmp_path / "s.mcap"


def player(file: Path, **options: Any) -> Player:
    stage = Player(ReplaySettings(file=file, **{"rate": None, **options}))
    stage.context = StageContext("replay", ready={"replay", *options.get("consumers", ())})
    stage.setup()
    stage._start_at = 0.1
    return stage


def command(stage: Player, action: Command) -> None:
    list(stage.handle(Packet(Control(target="replay", at=0, action=action))))


def ticks(stage: Player, count: int = 1) -> list[Message]:
    """What is said in some ticks, but how far the player has come."""
    said = (packet.message for _ in range(count) for packet in stage.tick())
    return [message for message in said if not isinstance(message, Watermark)]


def until(stage: Player, kind: type[Message], count: int = 1) -> list[Message]:
    """What is said up to the first or a later message of a kind; a tick lasts 20 ms."""
    said: list[Message] = []
    while sum(isinstance(message, kind) for message in said) < count:
        said += ticks(stage)
    return said


def test_everything_is_published_and_a_stream_without_end_is_ended(session: Path) -> None:
    stage = player(session)
    said = until(stage, Health)
    stage.cleanup()
    assert isinstance(said[0], StreamStart)
    assert said[0].replay
    assert len(said) == 1 + 3 * FRAMES + 1 + 2
    end = said[-2]
    assert isinstance(end, StreamEnd)
    assert (end.reason, end.last_seq) == ("stopped", FRAMES - 1)
    assert not stage.done
    stage.handle(Packet(said[-1]))
    assert stage.done, "when it has heard itself: then the hub has passed everything on"


@pytest.mark.parametrize("topics", [(), ("emotion/",)])
def test_a_stream_without_its_start_says_all_the_same_that_it_is_a_replay(
    topics: tuple[str, ...], tmp_path: Path
) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "features"})
    late = Packet(Scores(stream="s", epoch=1, seq=6, classified_at=6, model="m"))
    for packet in (late, Packet(answer(7)), Packet(answer(8))):
        writer.add(type(packet.message).__name__, codec.encode(packet), 7, 7)
    writer.finish()
    stage = player(tmp_path / "s.mcap", topics=topics)
    said = until(stage, Health)
    stage.cleanup()
    starts = [message for message in said if isinstance(message, StreamStart)]
    if topics:
        assert not starts, "it was not asked for"
    else:
        assert [type(message) for message in said[:3]] == [Scores, StreamStart, Emotion]
        assert [(start.replay, start.first_seq, start.started_at) for start in starts] == [
            (True, 7, 7)
        ]


def test_it_waits_for_its_consumers(session: Path) -> None:
    stage = player(session, consumers=("sink",))
    stage.context.ready.discard("sink")
    assert ticks(stage, 3) == []
    assert stage.context.detail == "waiting for sink"
    stage.context.ready.add("sink")
    assert ticks(stage)
    stage.cleanup()


def test_a_reanalysis_feeds_pictures_as_they_are_answered(session: Path) -> None:
    stage = player(session, reanalyse=True)
    said = ticks(stage, 3)
    assert [type(m) for m in said] == [StreamStart] + [Frame] * SIZE
    for seq in range(FRAMES // 2):
        assert list(stage.handle(Packet(answer(seq)))) == []
        said += ticks(stage)
    assert Marker not in {type(m) for m in said}, "not before every picture before it is answered"
    stage.handle(Packet(answer(FRAMES // 2)))
    following = ticks(stage)
    assert type(following[0]) is Marker
    said += following
    for seq in range(FRAMES // 2 + 1, FRAMES):
        said += ticks(stage)
        stage.handle(Packet(answer(seq)))
    said += ticks(stage)
    stage.cleanup()
    assert isinstance(said[-1], Health)
    assert isinstance(said[-2], StreamEnd)
    assert Emotion not in {type(m) for m in said}
    assert [m.seq for m in said if isinstance(m, Frame)] == list(range(FRAMES))


def test_with_a_sink_it_ends_when_the_sink_has_it_all(session: Path) -> None:
    stage = player(session, consumers=("sink",))
    said = until(stage, StreamEnd)
    assert isinstance(said[-1], StreamEnd)
    done = StreamDone(stream="s", epoch=1, last_seq=FRAMES - 1, done_at=0)
    stage.handle(Packet(done))
    assert isinstance(ticks(stage)[-1], Health)
    stage.cleanup()


def test_a_sink_that_hears_no_answer_is_not_waited_for(session: Path) -> None:
    stage = player(session, consumers=("sink",), topics=("frame/", "stream/"))
    said = until(stage, Health)
    stage.cleanup()
    assert [type(message) for message in said[-2:]] == [StreamEnd, Health]


def test_a_replay_that_is_stopped_says_its_last_word(session: Path) -> None:
    stage = player(session, rate=0.01)
    ticks(stage)
    begun = stage.context.now()
    end, progress, last = (packet.message for packet in stage.stop())
    stage.cleanup()
    assert isinstance(end, StreamEnd)
    assert (end.reason, end.detail) == ("stopped", "the replay was stopped")
    assert isinstance(progress, Watermark)
    assert progress.ended
    assert ends_replay(last, begun)


def test_a_loop_begins_a_new_epoch_and_has_no_end(session: Path) -> None:
    stage = player(session, loop=True)
    said = until(stage, StreamStart, 2)
    stage.cleanup()
    assert StreamEnd not in {type(m) for m in said}
    epochs = [m.epoch for m in said if isinstance(m, StreamStart)]
    assert epochs[:2] == [1, 2]


def test_a_loop_begins_behind_every_epoch_of_the_recording(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    for epoch in (5, 9):
        start = StreamStart(
            stream="s",
            epoch=epoch,
            started_at=epoch,
            received_at=epoch,
            session_start=epoch,
            kind="film",
            source="0",
            live=True,
        )
        writer.add("StreamStart", codec.encode(Packet(start)), epoch, epoch)
    writer.finish()
    stage = player(tmp_path / "s.mcap", loop=True)
    said = until(stage, StreamStart, 6)
    stage.cleanup()
    assert [m.epoch for m in said if isinstance(m, StreamStart)][:6] == [5, 9, 10, 11, 12, 13]


def test_a_late_message_of_an_epoch_before_the_position_does_not_begin_one() -> None:
    epochs = EpochNumbers()
    assert [epochs.number(recorded) for recorded in (5, 9, 5)] == [5, 9, 5]
    for first in (10, 12):
        epochs.begin_round()
        assert [epochs.number(recorded) for recorded in (9, 5, 9, 20)] == [
            first, first - 1, first, first + 1,
        ]  # fmt: skip


@pytest.mark.parametrize("loop", [True, False])
def test_however_often_it_starts_again_no_epoch_is_in_the_future(
    tmp_path: Path, loop: bool
) -> None:
    """A camera whose process was replaced hours later; an epoch is the moment of its start."""
    now = now_ns()
    begun = now - 10 * HOUR
    writer = SessionWriter(tmp_path / "s.mcap", {"session_start": begun})
    for part in (begun, now):
        times: dict[str, Any] = {"stream": "s", "epoch": part // 10**6, "received_at": part}
        start = StreamStart(
            **times, started_at=part, session_start=begun, kind="camera", source="0", live=True
        )
        shown = Frame(**times, seq=0, captured_at=part, width=9, height=9)
        for message in (start, shown, Emotion(**shown.identity, published_at=part)):
            packet = Packet(message, (b"x",) if message is shown else ())
            writer.add(type(message).__name__, codec.encode(packet), part, part)
    writer.finish()
    stage = player(tmp_path / "s.mcap", loop=loop)
    screen = MessageScreen(now_ns)  # what every receiver has
    said = until(stage, StreamStart, 2)
    for _ in range(40):
        if not loop:
            command(stage, Seek(position_s=10 * 3600.0))
        said += until(stage, Emotion)
    stage.cleanup()
    for one in said:
        screen.check(one)
    epochs = [message.epoch for message in said if isinstance(message, StreamStart)]
    assert epochs == sorted(set(epochs))
    assert len(epochs) > 40


def test_topics_and_beginning(session: Path) -> None:
    stage = player(session, topics=("emotion/", "stream/"), begin_s=0.5)
    said = until(stage, Health)
    stage.cleanup()
    assert {type(m) for m in said} == {StreamStart, Emotion, StreamEnd, Health}
    seqs = [m.seq for m in said if isinstance(m, Emotion)]
    assert seqs == list(range(seqs[0], FRAMES))
    assert 18 <= seqs[0] <= 22


@pytest.mark.parametrize("set_by", [-HOUR, -2 * 10**9, HOUR])
def test_a_clock_that_was_set_neither_hurries_nor_holds_up_a_replay(set_by: int) -> None:
    times = [at + set_by * (at > 5 * 10**9) + HOUR for at in range(0, 10**10, 10**9)]
    messages = [RecordedMessage(at, at, "Marker", (b"marker/s",)) for at in times]
    seconds = [second for second, *_ in with_seconds(messages, None)]
    assert seconds == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8], "the step itself cannot be known"


def test_what_was_written_a_little_late_holds_up_nothing() -> None:
    messages = [
        RecordedMessage(at, 0, "Marker", (b"marker/s",)) for at in (10**9, 9 * 10**8, 2 * 10**9)
    ]
    assert [second for second, *_ in with_seconds(messages, None)] == [0, 0, 1]


def film(tmp_path: Path, session_start: int, *seconds: float) -> Path:
    """A recording on a session's time line: a frame at each of these seconds."""
    about = {"privacy": "everything", "session_start": session_start}
    writer = SessionWriter(tmp_path / "film.mcap", about)
    for seq, second in enumerate(seconds):
        at = session_start + round(second * 10**9)
        media_time = max(0, round(second * 10**9))
        times = {"captured_at": at, "media_time": media_time}
        packet = Packet(frame(seq).model_copy(update=times), (b"picture",))
        writer.add("Frame", codec.encode(packet), at, at)
    writer.finish()
    return tmp_path / "film.mcap"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


def seconds_until(stage: Player, clock: Clock, count: int) -> list[float]:
    """When frames are published, in seconds from the first; ticks are a hundredth apart."""
    found: list[float] = []
    begun = clock.now
    while len(found) < count:
        frames = [m for m in ticks(stage) if isinstance(m, Frame)]
        found += [round(clock.now - begun, 2)] * len(frames)
        clock.now += 0.01
    return found


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_a_film_plays_at_its_own_speed(tmp_path: Path, clock: Clock, rate: float) -> None:
    seconds = (0.0, 0.04, 2.0, 19.6)
    stage = player(film(tmp_path, HOUR, *seconds), rate=rate)
    found = seconds_until(stage, clock, len(seconds))
    stage.cleanup()
    assert found == pytest.approx([second / rate for second in seconds], abs=0.011)


def test_an_hour_between_two_films_is_passed_over(tmp_path: Path, clock: Clock) -> None:
    stage = player(film(tmp_path, HOUR, 0.0, 1.0, 3600.0, 3602.0), rate=1.0)
    found = seconds_until(stage, clock, 3)
    assert found == pytest.approx([0.0, 1.0, 1.0], abs=0.011)
    ticks(stage)
    assert stage.context.detail == "at 3602.00 s"
    command(stage, Seek(position_s=100.0))
    assert [m.seq for m in ticks(stage) if isinstance(m, Frame)] == [2], "where the next one is"
    stage.cleanup()


@pytest.mark.parametrize(("begin_s", "first"), [(0.0, 0), (3.5, 2)])
def test_a_position_is_a_second_of_the_session(
    tmp_path: Path, clock: Clock, begin_s: float, first: int
) -> None:
    """What was shifted to before 0 is played from the beginning alone."""
    stage = player(film(tmp_path, HOUR, -1.0, 0.0, 4.0), begin_s=begin_s, rate=1.0)
    found: list[int] = []
    while not found:
        found += [m.seq for m in ticks(stage) if isinstance(m, Frame)]
        clock.now += 0.01
    stage.cleanup()
    assert found[0] == first


def with_marker(tmp_path: Path, ahead_s: float) -> Path:
    """A recording of 20 s; at second 3, a tool has set a marker, whose clock is not right."""
    file = film(tmp_path, HOUR, *range(20))
    with SessionReader(file) as reader:
        about, messages = reader.about, list(reader.messages())
    at = HOUR + round((3 + ahead_s) * 10**9)
    parts = tuple(bytes(one) for one in codec.encode(Packet(Marker(session="s", at=at, label="x"))))
    messages.insert(4, RecordedMessage(at, at, "Marker", parts))
    writer = SessionWriter(tmp_path / "marker.mcap", about)
    for log_time, publish_time, kind, these in messages:
        writer.add(kind, these, log_time, publish_time)
        writer.flush()
    writer.finish()
    return tmp_path / "marker.mcap"


WRONG_CLOCKS = pytest.mark.parametrize("ahead_s", [3600.0, 40.0, -40.0, -3600.0])


@WRONG_CLOCKS
def test_a_tool_with_a_wrong_clock_changes_no_pace(
    tmp_path: Path, clock: Clock, ahead_s: float
) -> None:
    stage = player(with_marker(tmp_path, ahead_s), rate=1.0)
    found = seconds_until(stage, clock, 20)
    stage.cleanup()
    assert found == pytest.approx(list(range(20)), abs=0.011)


@WRONG_CLOCKS
@pytest.mark.parametrize("reanalyse", [True, False])
def test_no_message_is_before_what_was_promised(
    tmp_path: Path, clock: Clock, ahead_s: float, reanalyse: bool
) -> None:
    stage = player(with_marker(tmp_path, ahead_s), rate=1.0, reanalyse=reanalyse)
    promised, frames, markers = 0, 0, 0
    for _ in range(1000):
        for message in [packet.message for packet in stage.tick()]:
            if isinstance(message, Watermark) and not message.ended:
                promised = message.at
            elif isinstance(message, Frame):
                frames += 1
                assert message.captured_at >= promised
                stage.handle(Packet(Emotion(**message.identity, published_at=1)))
            markers += isinstance(message, Marker)
        clock.now += 0.05
    stage.cleanup()
    assert (frames, markers) == (20, 1)
    assert promised >= HOUR + 18 * 10**9


@WRONG_CLOCKS
@pytest.mark.parametrize("begin_s", [2.0, 10.0])
def test_a_position_after_a_tool_with_a_wrong_clock_is_found(
    tmp_path: Path, clock: Clock, ahead_s: float, begin_s: float
) -> None:
    stage = player(with_marker(tmp_path, ahead_s), rate=1.0, begin_s=begin_s)
    found = seconds_until(stage, clock, 5)
    stage.cleanup()
    assert found == pytest.approx(list(range(5)), abs=0.011)


def progress(stage: Player) -> list[Watermark]:
    return [p.message for p in stage.tick() if isinstance(p.message, Watermark)]


def test_it_promises_what_is_published_and_answered(tmp_path: Path, clock: Clock) -> None:
    stage = player(film(tmp_path, HOUR, *range(20)), reanalyse=True)
    (first,) = progress(stage)
    assert (first.source, first.at, first.ended) == ("replay", HOUR, False)
    assert progress(stage) == []
    clock.now += module.WATERMARK_S
    assert progress(stage) == [first], "it is repeated, for it is not answered"
    for seq in range(3):
        stage.handle(Packet(answer(seq)))
    assert [mark.at for mark in progress(stage)] == [HOUR + 3 * 10**9]
    for seq in range(3, 20):
        stage.handle(Packet(answer(seq)))
        marks = progress(stage)
    stage.cleanup()
    assert marks[-1].ended


def test_an_old_recording_is_analysed_in_the_order_of_its_events(tmp_path: Path) -> None:
    start = old_recordings.START
    folder = old_recordings.write_old_recording(tmp_path / "old")
    stage = player(folder, reanalyse=True, session_start=start)
    said: list[Message] = []
    while not said or not isinstance(said[-1], Health):
        for message in ticks(stage):
            said.append(message)
            if isinstance(message, Frame):
                reply = Emotion(**message.identity, published_at=1)
                stage.handle(Packet(reply))
    stage.cleanup()
    events = [message.event_time for message in said if message.event_time is not None]
    assert events == sorted(events)
    assert isinstance(said[0], StreamStart)
    assert said[0].session_start == start
    assert len([m for m in said if isinstance(m, Frame)]) == old_recordings.FRAMES


def test_pause_and_step(session: Path) -> None:
    stage = player(session)
    command(stage, Step())
    assert [type(m) for m in ticks(stage, 3)] == [StreamStart, Frame, Scores, Emotion]
    assert ticks(stage, 2) == []
    assert stage.context.detail.startswith("paused at 0.0")
    command(stage, Step())
    command(stage, Step())
    assert [type(m) for m in ticks(stage, 3)] == [Frame, Scores, Emotion] * 2
    stage.cleanup()


def test_one_command_pauses_and_resumes(session: Path) -> None:
    stage = player(session)
    command(stage, Pause())
    assert ticks(stage, 2) == []
    command(stage, Pause(paused=True))
    assert ticks(stage, 2) == []
    command(stage, Pause())
    assert len(until(stage, Health)) == 1 + 3 * FRAMES + 1 + 2
    stage.cleanup()


@pytest.mark.parametrize("paused", [False, True])
def test_it_continues_at_another_position_with_a_new_epoch(session: Path, paused: bool) -> None:
    stage = player(session, paused=paused)
    assert [type(m) for m in until(stage, Emotion)][:4] == [StreamStart, Frame, Scores, Emotion]
    for position_s, epoch in ((0.5, 2), (0.25, 3)):
        command(stage, Seek(position_s=position_s))
        said = until(stage, Emotion)
        start, first = said[0], next(m for m in said if isinstance(m, Frame))
        assert isinstance(start, StreamStart)
        assert start.epoch == first.epoch == epoch
        assert abs(first.seq - position_s * FRAMES) <= 2
        if paused:
            assert [type(m) for m in said] == [StreamStart, Frame, Scores, Emotion]
            assert ticks(stage, 2) == [], "one frame, and no more"
    stage.cleanup()


def test_a_step_ends_where_no_answers_follow(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    writer.add("Emotion", codec.encode(Packet(answer(0))), 0, 0)
    for seq in range(1, 3 * SIZE):
        writer.add("Frame", codec.encode(Packet(frame(seq), (b"picture",))), seq, seq)
    writer.finish()
    stage = player(tmp_path / "s.mcap")
    counts = []
    for _ in range(3):
        command(stage, Step())
        counts.append([type(m) for m in ticks(stage, 3)].count(Frame))
    stage.cleanup()
    assert counts == [0, SIZE, SIZE]


def test_a_step_of_a_reanalysis_is_a_picture(session: Path) -> None:
    stage = player(session, reanalyse=True)
    said: list[Message] = []
    for _ in range(2):
        command(stage, Step())
        said += ticks(stage, 3)
    stage.cleanup()
    assert [type(m) for m in said] == [StreamStart, Frame, Frame]


@pytest.mark.parametrize(
    ("topics", "steps"),
    [
        (("emotion/", "scores/"), [Scores, Emotion, Scores, Emotion]),
        (("marker/", "stream/"), [StreamStart, Marker, StreamEnd, Health]),
    ],
)
def test_a_step_without_pictures_is_an_answer_or_a_message(
    topics: tuple[str, ...],
    steps: list[type[Message]],
    session: Path,
) -> None:
    stage = player(session, topics=topics)
    said: list[Message] = []
    for _ in range(2):
        command(stage, Step())
        said += ticks(stage, 3)
    stage.cleanup()
    assert [type(m) for m in said] == steps


def test_pictures_of_two_streams_are_judged_in_the_order_of_the_recording(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    for i, (stream, seq) in enumerate([("a", 0), ("a", 1), ("b", 0), ("a", 2)]):
        picture = Packet(frame(seq).model_copy(update={"stream": stream}), (b"picture",))
        writer.add("Frame", codec.encode(picture), i, i)
    writer.finish()
    stage = player(tmp_path / "s.mcap", reanalyse=True)
    said: list[Frame] = []
    for expected in (["a0", "a1"], [], ["b0"], ["a2"]):
        new = [message for message in ticks(stage, 2) if isinstance(message, Frame)]
        assert [f"{one.stream}{one.seq}" for one in new] == expected
        said += new
        first = said.pop(0)
        stage.handle(Packet(answer(first.seq).model_copy(update={"stream": first.stream})))
    stage.cleanup()


@pytest.mark.parametrize("late", [3, 70])
def test_a_paused_replay_shows_a_frame_of_every_stream(tmp_path: Path, late: int) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    for i in range(80):
        stream = "b" if i >= late and i % 2 else "a"
        picture = Packet(frame(i).model_copy(update={"stream": stream}), (b"picture",))
        writer.add("Frame", codec.encode(picture), i * 25_000_000, i)
    writer.finish()
    stage = player(tmp_path / "s.mcap", paused=True)
    shown = [m.stream for m in ticks(stage, 5) if isinstance(m, Frame)]
    stage.cleanup()
    if late == 3:
        assert shown == ["a"] * 3 + ["b"]
    else:  # it begins more than a second later: it has none there
        assert set(shown) == {"a"}


@pytest.mark.parametrize("has_frames", [True, False])
def test_a_paused_replay_shows_a_result_with_its_frame(tmp_path: Path, has_frames: bool) -> None:
    """A recording, or a position in it, may begin between a frame and its result."""
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "everything"})
    for i in range(4):
        if i and has_frames:
            picture = Packet(frame(i), (b"picture",))
            writer.add("Frame", codec.encode(picture), 2 * i, 2 * i)
        writer.add("Emotion", codec.encode(Packet(answer(i))), 2 * i + 1, 2 * i + 1)
    writer.finish()
    stage = player(tmp_path / "s.mcap", paused=True)
    shown = [(type(m), m.seq) for m in ticks(stage, 5) if isinstance(m, Frame | Emotion)]
    stage.cleanup()
    assert shown == ([(Emotion, 0), (Frame, 1), (Emotion, 1)] if has_frames else [(Emotion, 0)])
