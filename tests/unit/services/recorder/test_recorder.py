"""The recorder's stage: what it takes, when it ends, and what a full disk does."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import typer

from affectline.common.errors import AffectlineError
from affectline.common.recording.content import read_content
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.runtime.spec import ServiceSpec
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.recording import Privacy
from affectline.common.wire import codec
from affectline.common.wire.health import AT_END, make_health
from affectline.common.wire.messages import Faces, Frame, Marker, Packet, StreamDone
from affectline.services.cli.record import record
from affectline.services.recorder.spec import RecorderProcess
from affectline.services.recorder.stage import MOST_EARLY, Recorder
from affectline.services.sessions.catalog import verify
from tests.samples import EMOTION, FRAME, PACKETS


def recorder(folder: Path, privacy: Privacy = "everything", *expected: str) -> Recorder:
    stage = Recorder(
        RecorderProcess(folder=folder, privacy=privacy, expected=expected, about={"model": "m"})
    )
    stage.context = StageContext("recorder")
    stage.setup()
    return stage


def kinds(folder: Path) -> set[str]:
    with SessionReader(folder) as reader:
        return {recorded.kind for recorded in reader.messages()}


@pytest.mark.parametrize(
    "folder", ["today", "20261128-101112-recording", "Fahrt 1", "_ü.", "ü", "/"]
)
def test_the_command_has_a_name_beside_the_pipeline_s_own_recorder(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def run(_: ServiceSpec, settings: RecorderProcess, *__: object) -> int:
        names.append(settings.process_name)
        return 0

    monkeypatch.setattr(ServiceSpec, "run", run)
    for _ in range(2):
        with pytest.raises(typer.Exit):
            record(tmp_path / folder, delivery="live")
    assert len(set(names)) == 1, "who goes on after it has the same name"
    said = make_health(names[0], "ready", "", Counter(), at=1)
    assert said.service.startswith("recorder/")


@pytest.mark.parametrize("privacy", ["everything", "blurred", "features"])
def test_it_asks_only_for_what_it_may_keep(privacy: Privacy, tmp_path: Path) -> None:
    stage = Recorder(RecorderProcess(folder=tmp_path, privacy=privacy))
    assert {"emotion/", "bio/", "marker/", "health/", "state/"} <= set(stage.subscriptions)
    assert ("faces/" in stage.subscriptions) == (privacy == "everything")
    assert ("frame/" in stage.subscriptions) == (privacy != "features")


@pytest.mark.parametrize("privacy", ["blurred", "features"])
def test_signs_are_numbers_that_stay_and_landmarks_go_with_the_crops(
    privacy: Privacy, tmp_path: Path
) -> None:
    faces = PACKETS["Faces"]
    assert isinstance(faces.message, Faces)
    assert faces.message.faces[0].landmarks
    stage = recorder(tmp_path, privacy)
    for kind in ("Emotion", "State"):
        stage.handle(PACKETS[kind])
    assert stage.topic(Faces) is None, "it does not even receive them"
    stage.cleanup()
    assert kinds(tmp_path) == {"Emotion", "State"}
    with SessionReader(tmp_path) as reader:
        (emotion,) = (one for one in reader.messages() if one.kind == "Emotion")
        said = codec.decode(emotion.parts)
    assert not said.parts
    assert said.message == EMOTION
    assert EMOTION.faces[0].yaw is not None


def test_every_kind_of_message_is_kept(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    for packet in PACKETS.values():
        stage.handle(packet)
    stage.cleanup()
    assert kinds(tmp_path) == set(PACKETS) - {"Control", "Kept", "RecordingStatus", "Watermark"}, (
        "a replay must not repeat commands"
    )
    with SessionReader(tmp_path) as reader:
        assert reader.about["privacy"] == "everything"
        assert reader.about["model"] == "m"


def test_what_precedes_a_session_is_kept_up_to_a_limit_and_the_rest_counted(
    tmp_path: Path,
) -> None:
    stage = recorder(tmp_path)
    for number in range(MOST_EARLY + 5):
        stage.handle(Packet(make_health("hub", "ready", str(number), Counter(), at=number)))
    assert stage.context.counters["early_dropped"] == 5
    stage.handle(PACKETS["Frame"])
    stage.cleanup()
    with SessionReader(tmp_path) as reader:
        found = [one.kind for one in reader.messages()]
    assert found.count("Health") == MOST_EARLY
    assert found.count("Frame") == 1


def test_it_is_done_when_every_stream_is_written_down(tmp_path: Path) -> None:
    stage = recorder(tmp_path, "everything", "a", "b")
    for stream in ("a", "other", "b"):
        assert not stage.done
        stage.handle(Packet(StreamDone(stream=stream, epoch=1, last_seq=0, done_at=0)))
    assert stage.done
    stage.cleanup()


def test_a_replay_is_done_with_the_player_s_last_word(tmp_path: Path) -> None:
    stage = Recorder(RecorderProcess(folder=tmp_path, finishers=("replay",)))
    stage.context = StageContext("recorder")
    stage.setup()
    word = make_health("replay", "ready", AT_END, Counter(), at=stage.context.now())
    for message in (
        PACKETS["StreamDone"].message,
        word.model_copy(update={"at": 1}),  # recorded: the recording is one of a replay
        word.model_copy(update={"detail": "at 0.1 s"}),
        word.model_copy(update={"service": "capture/replay"}),
    ):
        stage.handle(Packet(message))
        assert not stage.done
    stage.handle(Packet(word))
    assert stage.done
    stage.cleanup()


def test_without_streams_it_goes_on(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    stage.handle(PACKETS["StreamDone"])
    assert not stage.done
    stage.cleanup()


def test_what_has_arrived_is_in_the_file_at_the_next_tick(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    stage._next_flush = 0.0
    stage.handle(PACKETS["Marker"])
    with SessionReader(tmp_path) as reader:
        assert [m.kind for m in reader.messages()] == ["Marker"]
    stage.cleanup()


def test_no_session_begins_in_the_future(tmp_path: Path) -> None:
    """Its first message is the marker of a tool whose clock is ahead."""
    stage = recorder(tmp_path)
    now = stage.context.now()
    ahead = now + 3600 * 10**9
    stage.handle(Packet(Marker(session="s", at=ahead, label="x")))
    stage.cleanup()
    with SessionReader(tmp_path) as reader:
        assert reader.session_start is not None
        assert now <= reader.session_start < ahead
        assert [one.log_time for one in reader.messages()] == [ahead]


def test_a_message_knows_its_time() -> None:
    assert (FRAME.time, FRAME.event_time) == (FRAME.received_at, FRAME.captured_at)
    assert EMOTION.time == EMOTION.published_at
    assert PACKETS["Resend"].message.time is None
    timeless = {name for name, packet in PACKETS.items() if packet.message.time is None}
    assert timeless == {"Kept", "Resend", "Watermark"}


def test_something_else_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "session.mcap").write_bytes(b"my diary, of a hundred bytes and more" * 3)
    with pytest.raises(AffectlineError, match="not a recording"):
        recorder(tmp_path)
    assert (tmp_path / "session.mcap").read_bytes().startswith(b"my diary")


def test_a_recording_is_continued_with_the_privacy_of_its_start(tmp_path: Path) -> None:
    for _ in range(2):
        stage = recorder(tmp_path, "features")
        stage.handle(PACKETS["Marker"])
        stage.cleanup()
    with pytest.raises(
        AffectlineError, match=r"--privacy everything: .*session.mcap was started with features"
    ):
        recorder(tmp_path, "everything")
    with SessionReader(tmp_path) as reader:
        assert len(list(reader.messages())) == 2
        assert reader.damage.sound


def test_a_recorder_that_is_refused_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    stage.handle(PACKETS["Emotion"])
    stage.cleanup()
    before = (tmp_path / FILE).read_bytes()
    refused = Recorder(RecorderProcess(folder=tmp_path, privacy="features", session_start=1))
    refused.context = StageContext("recorder")
    with pytest.raises(AffectlineError, match="was started with everything"):
        refused.setup()
    refused.cleanup()
    assert (tmp_path / FILE).read_bytes() == before


def test_a_recorder_that_never_ran_leaves_no_session(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    stage.cleanup()  # the hub refused it
    assert not (tmp_path / FILE).exists()
    stage = recorder(tmp_path)
    list(stage.stop())
    stage.cleanup()
    assert kinds(tmp_path) == set(), "a session in which nothing happened"


def test_a_recorder_that_reads_a_long_file_sends_heartbeats(tmp_path: Path) -> None:
    stage = recorder(tmp_path)
    for seq in range(1200):
        frame = FRAME.model_copy(update={"seq": seq, "captured_at": FRAME.captured_at + seq})
        stage.handle(Packet(frame, (b"jpeg",)))
    stage.cleanup()
    beats: list[None] = []
    following = Recorder(RecorderProcess(folder=tmp_path))
    following.context = StageContext("recorder", keep_alive=lambda: beats.append(None))
    following.setup()
    following.cleanup()
    assert len(beats) == 2


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AffectlineError, match=r"recording .*: cannot write"):
        recorder(tmp_path / "file" / "below")


def test_a_full_disk_ends_the_recording_in_one_line(small_disk: Path) -> None:
    stage = recorder(small_disk)
    with pytest.raises(AffectlineError, match=r"No space left on device.*: free some space"):
        take_until_it_gives_up(stage, frames())
    stage.cleanup()
    with SessionReader(small_disk) as reader:
        written = len(list(reader.messages()))
        assert written > 20
        assert reader.damage.sound
        content = read_content(reader, scan=False)
    assert content.is_listed
    assert content.is_cut_short
    (listed,) = content.sequences
    assert (listed.expected, listed.missing) == (written, 0), "the list is of what is in the file"
    found = verify(small_disk)
    assert (found["sound"], found["cut_short"]) == (True, "disk full")


def test_no_room_for_what_is_left_at_the_end_is_told(small_disk: Path) -> None:
    stage = recorder(small_disk)
    stage._next_flush = float("inf")
    message = Frame(stream="s", epoch=1, seq=0, captured_at=0, received_at=0, width=9, height=9)
    for _ in range(80):
        stage.handle(Packet(message, (os.urandom(9000),)))
    with pytest.raises(AffectlineError, match="No space left on device"):
        stage.stop()
    stage.cleanup()
    with SessionReader(small_disk) as reader:
        assert list(reader.messages()) == []
        assert reader.damage.sound, "the file has its end all the same"


def frames() -> Iterator[Packet]:
    """More than fit on a small disk."""
    about = {"stream": "s", "epoch": 1, "captured_at": 0, "received_at": 0, "width": 9, "height": 9}
    for seq in range(200):
        yield Packet(Frame.model_validate({**about, "seq": seq}), (os.urandom(9000),))


def take_until_it_gives_up(stage: Recorder, packets: Iterable[Packet]) -> None:
    for packet in packets:
        stage._next_flush = 0.0
        stage.handle(packet)


def test_blurred_pictures_are_written_at_the_end_at_the_latest(tmp_path: Path) -> None:
    stage = recorder(tmp_path, "blurred")
    message = Frame(
        stream="s",
        epoch=1,
        seq=0,
        captured_at=0,
        received_at=0,
        width=64,
        height=48,
        encoding="raw",
    )
    secret = os.urandom(64 * 48 * 3)
    stage.handle(Packet(message, (secret,)))
    stage.handle(Packet(Marker(session="s", at=1, label="x")))
    stage.cleanup()
    with SessionReader(tmp_path) as reader:
        frame, marker = reader.messages()
    assert (frame.kind, marker.kind) == ("Frame", "Marker")
    assert len(set(frame.parts[2])) < 200
    assert frame.parts[2] != secret
