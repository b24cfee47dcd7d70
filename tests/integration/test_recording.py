"""Sessions recorded and replayed by real processes."""

import itertools
import json
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from mcap.reader import make_reader

from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from tests.pipelines import Pipeline, free_port, listening, process, run

pytestmark = pytest.mark.timeout(300)
KILLS = 5
STAGE_TIMES: dict[str, Any] = {"detected_at": None, "classified_at": None, "published_at": 0}
OWN = ("health/sink", "health/recorder", "health/replay")
"""What a replay's own processes say."""


def read(session: Path) -> list[RecordedMessage]:
    with SessionReader(session) as reader:
        found = list(reader.messages())
        assert reader.damage.sound, reader.damage
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the sample clip beside a made-up heart and skin."""
    folder = tmp_path_factory.mktemp("recorded")
    out = folder / "sessions" / "20261125-101112-a-longer-name"
    settings = folder / "settings.yaml"
    settings.write_text("biometrics: [{driver: synthetic, subject: driver}]\npace: realtime\n")
    done = run(
        "up", "--config", str(settings), "--record", "--json", "--out", str(out),
        "--port", str(free_port()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_a_lossless_session_is_recorded_whole(recorded: Path) -> None:
    messages = read(recorded)
    for kind in ("Frame", "Faces", "Emotion"):
        seqs = [msgpack.unpackb(m.parts[1])["seq"] for m in messages if m.kind == kind]
        assert sorted(set(seqs)) == list(range(120)), kind
    kinds = {m.kind for m in messages}
    assert {"StreamStart", "StreamEnd", "StreamDone", "Scores", "Health"} <= kinds
    assert {"Samples", "State"} <= kinds
    with (recorded / "session.mcap").open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == len(messages)


def test_sessions_are_listed_described_and_checked(recorded: Path, tmp_path: Path) -> None:
    (row,) = json.loads(run("sessions", str(recorded.parent), "--json").stdout)
    assert (row["streams"], row["frames"], row["recording"]) == (["sample"], 120, "everything")
    narrow = run("sessions", str(recorded.parent), env=os.environ | {"COLUMNS": "60"}).stdout
    assert f" {recorded.name} " in narrow
    about = json.loads(run("info", str(recorded), "--json").stdout)
    assert about["topics"]["emotion/sample"] >= 120
    assert about["model"].startswith("vgg16")
    assert "--reanalyse" not in json.dumps(about)
    sound = run("check", str(recorded))
    assert sound.returncode == 0, sound.stdout
    assert "whole" in sound.stdout
    damaged = tmp_path / "damaged.mcap"
    content = bytearray((recorded / "session.mcap").read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    broken = run("check", str(damaged), "--json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["lost_bytes"] > 0


def test_a_replay_is_the_session_byte_for_byte(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(
        "replay", str(recorded), "--rate", "max", "--record", "--out", str(out),
        "--port", str(free_port()), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 120
    about = json.loads(run("info", str(out), "--json").stdout)
    assert about["model"] == "", "nothing was judged by the model that is configured now"
    assert json.loads((out / "session.json").read_text())["replay_of"] == recorded.name
    with SessionReader(out) as reader:
        assert reader.about["replay_of"] == recorded.name
    before, after = (
        [m for m in read(session) if m.topic not in OWN and m.kind != "StreamDone"]
        for session in (recorded, out)
    )
    assert len(before) == len(after)
    for was, now in zip(before, after, strict=True):
        if was.kind == "StreamStart":
            was_start, now_start = codec.decode(was.parts).message, codec.decode(now.parts).message
            assert isinstance(now_start, StreamStart)
            assert now_start.replay
            assert was_start == now_start.model_copy(update={"replay": False})
        else:
            assert was.parts == now.parts
    rows, again = ((p / "emotions.csv").read_text() for p in (recorded, out))
    assert rows == again


@pytest.mark.slow
def test_a_reanalysis_says_the_same_every_time(recorded: Path, tmp_path: Path) -> None:
    answers, states = [], []
    for name in ("first", "second"):
        done = run(
            "replay", str(recorded), "--rate", "max", "--reanalyse", "--record",
            "--out", str(tmp_path / name), "--port", str(free_port()),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(emotions(tmp_path / name))
        states.append([m.parts for m in read(tmp_path / name) if m.kind == "State"])
    assert answers[0] == answers[1] == emotions(recorded)
    assert len(answers[0]) == 120
    assert states[0] == states[1]
    assert len(states[0]) >= 3


def emotions(session: Path) -> dict[int, Emotion]:
    found = {}
    for recorded in read(session):
        message = codec.decode(recorded.parts).message if recorded.kind == "Emotion" else None
        if isinstance(message, Emotion):
            found[message.seq] = message.model_copy(update=STAGE_TIMES)
    return found


class Talker(threading.Thread):
    """Says something numbered a hundred times a second, as large as pictures are."""

    def __init__(self, hub: HubSettings) -> None:
        super().__init__(daemon=True)
        self._hub = hub
        self.stopping = threading.Event()

    def run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.PUB)
        socket.connect(reach(self._hub).ingress.address)
        picture = os.urandom(20_000)
        for seq in itertools.count():
            if self.stopping.wait(0.01):
                break
            now = time.time_ns()
            frame = Frame(
                stream="s", epoch=1, seq=seq, captured_at=now, received_at=now, width=9, height=9
            )
            socket.send_multipart(codec.encode(Packet(frame, (picture,))))
        context.destroy(linger=0)


@pytest.mark.slow
def test_a_killed_recorder_loses_less_than_a_second(tmp_path: Path) -> None:
    chance = random.Random(20)
    hub = HubSettings(port=free_port())
    address = f"127.0.0.1:{hub.port}"
    talker = Talker(hub)
    lost_s = []
    seen = 0
    with process("hub", "--bind", address), listening(hub) as listener:
        talker.start()
        for _ in range(KILLS):
            with process("record", "--hub", address, "--out", str(tmp_path)) as recorder:
                wait_for_health(listener, f"recorder/{tmp_path.name}")
                wait_until_it_writes(tmp_path / "session.mcap")
                time.sleep(chance.uniform(0.0, 1.0))  # the moment of the kill is what is tried
                recorder.send_signal(signal.SIGKILL)
                killed_at = time.time_ns()
                recorder.wait()
            with SessionReader(tmp_path) as reader:
                times = [m.publish_time for m in reader.messages() if m.kind == "Frame"]
                assert not reader.damage.finished
                assert len(times) > seen
                seen = len(times)
                lost_s.append((killed_at - times[-1]) / 1e9)
        with process("record", "--hub", address, "--out", str(tmp_path)) as recorder:
            wait_for_health(listener, f"recorder/{tmp_path.name}")
            recorder.send_signal(signal.SIGINT)
            assert recorder.wait(timeout=20) == 0
        talker.stopping.set()
        talker.join()
    assert max(lost_s) < 1.0, lost_s
    frames = [codec.decode(m.parts).message for m in read(tmp_path) if m.kind == "Frame"]
    seqs = [frame.seq for frame in frames if isinstance(frame, Frame)]
    assert seqs == sorted(set(seqs))
    gaps = [(a, b) for a, b in itertools.pairwise(seqs) if b != a + 1]
    assert len(gaps) <= KILLS, "nothing is missing but what was lost with each kill"


def wait_until_it_writes(file: Path) -> None:
    """Wait for new frames in a recording: one that is continued holds them back for a second."""
    begun, deadline = file.stat().st_size if file.exists() else 0, time.monotonic() + 60
    while not file.exists() or file.stat().st_size < begun + 200_000:
        assert time.monotonic() < deadline, f"{file} does not grow"
        time.sleep(0.02)


def wait_for_health(listener: OutletSubscriber, service: str) -> None:
    begun, deadline = time.time_ns(), time.monotonic() + 60
    while time.monotonic() < deadline:
        listener.wait(timeout_s=0.1)
        for packet in listener.receive():
            health = packet.message
            fresh = getattr(health, "at", 0) > begun
            if getattr(health, "service", "") == service and fresh:
                return
    raise AssertionError(f"no {service}")


def test_a_recorder_that_dies_in_a_run_is_replaced_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Pipeline(out, "--record", "--pace", "realtime", prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(20)
        pipeline.kill("recorder")
        summary = pipeline.finish()
    assert (summary["frames"], summary["lost"]) == (120, 0)
    assert summary["restarts"] == {"recorder": 1}
    frames = [codec.decode(m.parts).message for m in read(out) if m.kind == "Frame"]
    seqs = [frame.seq for frame in frames if isinstance(frame, Frame)]
    assert sorted(seqs) == list(range(120)), "each once: others keep what is not on its disk"


@pytest.mark.parametrize("privacy", ["features", "blurred"])
def test_privacy(privacy: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(
        "up", "--privacy", privacy, "--json", "--out", str(out), "--port", str(free_port())
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    topics = json.loads(run("info", str(out), "--json").stdout)["topics"]
    assert topics["emotion/sample"] >= 120
    assert ("frame/sample" in topics) == (privacy == "blurred")
    assert "faces/sample" not in topics
    refused = run("replay", str(out), "--reanalyse")
    assert refused.returncode == 1
    assert privacy in refused.stderr


def test_bad_arguments_are_one_line(recorded: Path, tmp_path: Path) -> None:
    for arguments, problem in (
        ((str(tmp_path / "none.mcap"),), "no such file"),
        ((str(recorded), "--rate", "fast"), "--rate fast: not a rate"),
        ((str(recorded), "--from", "soon"), "--from soon: not a time"),
        ((str(recorded), "--topics", "nothing/"), "holds no message to replay"),
    ):
        done = run("replay", *arguments)
        assert done.returncode == 1
        assert problem in done.stderr
        assert len(done.stderr.splitlines()) == 1
