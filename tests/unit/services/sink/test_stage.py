"""The sink's stage: when a session is over."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from affectline.common import logs
from affectline.common.errors import AffectlineError
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.health import AT_END, make_health
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.common.wire.watermark import Watermark
from affectline.services.overlay.renderer import OverlayRenderer
from affectline.services.sink import stage as module
from affectline.services.sink.spec import SinkProcess
from affectline.services.sink.stage import Sink
from tests.samples import EMOTION, PACKETS


def sink(folder: Path, *expected: str, replayed: bool = False) -> Sink:
    stage = Sink(SinkProcess(folder=folder, expected=expected, replayed=replayed))
    stage.context = StageContext("sink")
    stage.setup()
    return stage


def hear(stage: Sink, message: Message) -> None:
    list(stage.handle(Packet(message)))


def test_it_is_done_when_every_stream_has_ended(tmp_path: Path) -> None:
    stage = sink(tmp_path, "a", "b")
    end = PACKETS["StreamEnd"].message.model_copy(update={"last_seq": -1})
    for stream in ("a", "other", "b"):
        assert not stage.done
        hear(stage, end.model_copy(update={"stream": stream}))
    assert stage.done
    stage.cleanup()


def test_a_session_that_ends_without_one_of_its_sources_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    table = "biometrics/anna/csv"
    stage = Sink(SinkProcess(folder=tmp_path, expected=("a",), recorded_sources=(table,)))
    stage.context = StageContext("sink")
    stage.setup()
    hear(stage, Watermark(source=table, at=1))
    update = {"stream": "a", "last_seq": -1}
    hear(stage, PACKETS["StreamEnd"].message.model_copy(update=update))
    while not stage.done:
        assert now[0] < 60
        now[0] += 0.5
        list(stage.tick())
    list(stage.stop())
    with pytest.raises(AffectlineError, match="biometrics/anna/csv fell silent before the end"):
        stage.cleanup()


def test_a_replay_is_done_with_the_player_s_last_word(tmp_path: Path) -> None:
    stage = sink(tmp_path, replayed=True)
    assert "health/replay" in stage.subscriptions
    word = make_health("replay", "ready", AT_END, Counter(), at=stage.context.now())
    hear(stage, PACKETS["StreamEnd"].message.model_copy(update={"last_seq": -1}))
    hear(stage, word.model_copy(update={"at": 1}))  # recorded: the recording is one of a replay
    assert not stage.done
    hear(stage, word)
    assert stage.done
    stage.cleanup()


def test_results_that_nobody_publishes_again_are_counted_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    stage = sink(tmp_path)
    clock = [1]
    monkeypatch.setattr(module, "monotonic_ns", lambda: clock[0])
    start = PACKETS["StreamStart"].message.model_copy(update={"first_seq": 0})
    for message in (start, *(EMOTION.model_copy(update={"seq": seq}) for seq in (0, 4))):
        hear(stage, message)
    list(stage.tick())
    clock[0] += 3600 * 10**9
    list(stage.tick())
    stage.cleanup()
    assert "affectline: sink drive 4: 3 results were lost" in capsys.readouterr().err
    assert written(tmp_path) == [
        ("0", ""), ("1", "lost"), ("2", "lost"), ("3", "lost"), ("4", ""),
    ]  # fmt: skip


def written(folder: Path) -> list[tuple[str, str]]:
    """Number and reason of every frame in the table."""
    with (folder / "emotions.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        return [(row["seq"], row["reason"]) for row in rows if row["track"] != "2"]


@pytest.mark.parametrize(
    ("delivery", "further"),
    [
        ("live", [("1", "lost"), ("2", ""), ("3", "")]),
        ("lossless", []),  # publishers keep all four for a sink that replaces it
    ],
)
def test_a_sink_that_stops_in_a_gap_loses_no_result(
    delivery: Delivery, further: list[tuple[str, str]], tmp_path: Path
) -> None:
    stage = sink(tmp_path)
    stage.context.delivery = delivery
    for seq in (0, 2, 3):
        hear(stage, EMOTION.model_copy(update={"seq": seq}))
    list(stage.tick())
    list(stage.stop())
    stage.cleanup()
    assert written(tmp_path) == [("0", ""), *further]


def test_results_before_the_first_that_arrives_are_not_dropped(tmp_path: Path) -> None:
    stage = sink(tmp_path)
    hear(stage, PACKETS["StreamStart"].message.model_copy(update={"first_seq": 0}))
    for seq in (3, 0, 1, 2, 4):
        hear(stage, EMOTION.model_copy(update={"seq": seq}))
    list(stage.stop())
    stage.cleanup()
    assert written(tmp_path) == [(str(seq), "") for seq in range(5)]


def test_a_replay_may_begin_in_the_middle(tmp_path: Path) -> None:
    stage = sink(tmp_path, replayed=True)
    start = PACKETS["StreamStart"].message.model_copy(update={"first_seq": 0, "replay": True})
    hear(stage, start)
    hear(stage, EMOTION.model_copy(update={"seq": 500}))
    list(stage.stop())
    stage.cleanup()
    assert written(tmp_path) == [("500", "")]


def test_a_sink_that_is_restarted_knows_how_its_streams_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the time codes and the sound of its films: it is not told again."""
    began: list[StreamStart] = []

    class Shown(OverlayRenderer):
        closed = False

        def begin(self, start: StreamStart) -> None:
            began.append(start)

        def add_result(self, emotion: Emotion) -> None:
            """Nothing is shown."""

        def refresh(self) -> tuple[Packet, ...]:
            return ()

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("affectline.services.sink.display.open_display", lambda *_, **__: Shown())
    start = PACKETS["StreamStart"].message
    for _ in range(2):
        stage = Sink(SinkProcess(folder=tmp_path, display="mp4"))
        stage.context = StageContext("sink")
        stage.setup()
        if not began:
            hear(stage, start)
            hear(stage, EMOTION.model_copy(update={"seq": 0}))
            list(stage.stop())
        stage.cleanup()
    first, second = began
    names = ("stream", "epoch", "started_at", "session_start", "source", "kind", "live", "replay")
    assert [getattr(second, name) for name in names] == [getattr(first, name) for name in names]
