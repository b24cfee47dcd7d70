"""The sink's stage: when a session is over."""

from collections import Counter
from pathlib import Path

from affectline.common.runtime.stage import StageContext
from affectline.common.wire.base import Message
from affectline.common.wire.health import AT_END, make_health
from affectline.common.wire.messages import Packet
from affectline.services.sink.spec import SinkProcess
from affectline.services.sink.stage import Sink
from tests.samples import PACKETS


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
