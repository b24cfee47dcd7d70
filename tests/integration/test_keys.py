"""A hub that asks for keys: who gets in by them, and what for."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from affectline.common.runtime.keys import KeyHolder, KeyStore, fingerprint
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.health import Health
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Packet, StreamDone, StreamStart
from tests.hosts import HOSTS, HUB, on
from tests.pipelines import AFFECTLINE, free_port, run

Connect = Callable[..., "zmq.Socket[bytes]"]
WAIT_S = 20


class KeyedHub:
    """A hub of somebody else, who has let some keys in: only TCP leads there.

    Args:
        folder: For its keys and its log.
        runtime: For its Unix sockets: a short path, for where it is too long a hub chooses the
            folder that commands look in.
    """

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.keys = folder / "keys"
        self.settings = HubSettings(port=free_port())
        self.address = f"127.0.0.1:{self.settings.port}"
        self.log = folder / "hub.log"
        self._environment = os.environ | {
            "AFFECTLINE_KEYS": str(self.keys),
            "AFFECTLINE_SECURITY": "required",
            "XDG_RUNTIME_DIR": str(runtime),
        }

    def make(self, name: str, role: str, *more: str) -> Path:
        """Let a new key in; return its folder."""
        words = ("new", name, "--role", role, *more, "--folder", str(self.keys))
        done = run("keys", *words)
        assert done.returncode == 0, done.stderr
        return self.keys / "clients" / name

    def start(self, *options: str) -> "subprocess.Popen[str]":
        with self.log.open("a") as log:
            command = [*AFFECTLINE, "hub", "--bind", self.address, *options]
            self.process = subprocess.Popen(command, env=self._environment, stderr=log, text=True)
        return self.process

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)

    def environment(self, keys: Path) -> dict[str, str]:
        """That of a client with such keys."""
        more = {"AFFECTLINE_KEYS": str(keys), "AFFECTLINE_SECURITY": "required"}
        return os.environ | more

    def run(self, keys: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of somebody who has such keys."""
        return run(*words, "--hub", self.address, env=self.environment(keys))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[KeyedHub]:
    with tempfile.TemporaryDirectory() as runtime:
        yield from keyed_hub(tmp_path, Path(runtime))


def keyed_hub(folder: Path, runtime: Path, *options: str) -> Iterator[KeyedHub]:
    made = KeyedHub(folder, runtime)
    for name, role, *more in (
        ("part", "pipeline"), ("strap", "sensor", "--subject", "anna"), ("wall", "listener"),
        ("cinema", "listener", "--prefix", "frame/"), ("desk", "operator"),
    ):  # fmt: skip
        made.make(name, role, *more)
    made.start(*options)
    yield made
    made.stop()


@pytest.fixture
def connect(hub: KeyedHub) -> Iterator[Connect]:
    """Makes sockets with somebody's keys."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def socket_of(name: str, kind: int, address: str | None, *prefixes: str) -> zmq.Socket[bytes]:
        credentials = KeyStore(hub.keys / "clients" / name).credentials(hub.address)
        made.append(context.socket(kind))
        made[-1].curve_serverkey = credentials.hub_key.encode()
        made[-1].curve_publickey = credentials.pair.public_key.encode()
        made[-1].curve_secretkey = credentials.pair.secret_key.encode()
        if address is not None:
            made[-1].connect(address)
        for prefix in prefixes:
            made[-1].subscribe(prefix)
        return made[-1]

    yield socket_of
    context.destroy(linger=0)


def parts_of(kind: str) -> list[bytes]:
    model = message_kinds()[kind]
    packet = Packet(model.example(), model.example_parts)
    return [bytes(part) for part in codec.encode(packet)]


def health_of(listener: "zmq.Socket[bytes]") -> Health:
    """The next health message of the hub."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if not listener.poll(1000):
            continue
        message = codec.decode(listener.recv_multipart()).message
        if isinstance(message, Health) and message.service == "hub":
            return message
    raise AssertionError("no health of the hub")


def kinds_heard(listener: "zmq.Socket[bytes]", seconds: float) -> set[str]:
    found: set[str] = set()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if listener.poll(int(left * 1000) + 1):
            found.add(listener.recv_multipart()[0].decode().split("/")[0])
    return found


def test_every_role_does_what_it_is_for_and_no_more(hub: KeyedHub, connect: Connect) -> None:
    names = ("part", "strap", "wall", "desk")
    speakers = {name: connect(name, zmq.XPUB, hub.settings.ingress) for name in names}
    ears = {
        name: connect(name, zmq.SUB, hub.settings.outlet, "")
        for name in ("part", "wall", "cinema", "strap")
    }
    consumer = connect("part", zmq.SUB, hub.settings.bus, "")
    for name, speaker in speakers.items():
        assert speaker.poll(WAIT_S * 1000), f"{name} is not allowed in"
    health_of(ears["wall"])
    sent = ("Emotion", "Frame", "Marker", "StreamEnd", "State")
    for name in ("strap", "wall", "desk"):
        for kind in sent:
            speakers[name].send_multipart(parts_of(kind))
    for kind in sent:
        speakers["part"].send_multipart(parts_of(kind))
    assert kinds_heard(ears["part"], 3) == {
        "emotion", "frame", "marker", "stream", "state", "health",
    }  # fmt: skip
    assert kinds_heard(ears["wall"], 0.5) == {"emotion", "marker", "stream", "state", "health"}
    assert kinds_heard(ears["cinema"], 0.5) == {"frame"}
    assert kinds_heard(ears["strap"], 0.5) == {"marker", "stream", "health"}
    assert kinds_heard(consumer, 0.5) == {"emotion", "frame", "marker", "stream", "state"}
    counters = health_of(ears["wall"]).counters
    for kind in ("emotion", "frame", "stream", "state"):
        assert counters[f"refused_{kind}"] == 3
    assert counters["refused_marker"] == 1, "of the listener"
    log = hub.log.read_text()
    assert log.count("refused: emotion/ of wall") == 1, "it is said once"


def test_bus_and_crops_are_for_parts_alone(hub: KeyedHub, connect: Connect) -> None:
    wall = connect("wall", zmq.SUB, hub.settings.outlet, "")
    health_of(wall)
    for address, kind in (
        (hub.settings.bus, zmq.SUB), (hub.settings.work_out, zmq.PULL),
        (hub.settings.work_in, zmq.PUSH),
    ):  # fmt: skip
        socket = connect("wall", kind, None)
        # Before it connects: it may be refused at once
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        socket.connect(address)
        assert monitor.poll(WAIT_S * 1000), f"it was let in at {address}"
    assert health_of(wall).counters["refused_handshakes"] >= 3


def test_a_peer_without_a_key_hears_nothing(hub: KeyedHub, connect: Connect) -> None:
    health_of(connect("wall", zmq.SUB, hub.settings.outlet, ""))
    with zmq.Context() as context, context.socket(zmq.SUB) as stranger:
        stranger.connect(hub.settings.outlet)
        stranger.subscribe("")
        assert not stranger.poll(2500)


def test_keys_come_and_go_while_the_hub_runs(hub: KeyedHub, connect: Connect) -> None:
    wall = connect("wall", zmq.SUB, hub.settings.outlet, "")
    desk = connect("desk", zmq.SUB, hub.settings.outlet, "")
    health_of(wall)
    classifier = connect("part", zmq.PULL, hub.settings.work_out)
    detector = connect("part", zmq.PUSH, hub.settings.work_in)
    detector.send_multipart(parts_of("Faces"))
    assert classifier.poll(WAIT_S * 1000)
    late = hub.make("late", "listener")
    assert run("keys", "revoke", "wall", "--folder", str(hub.keys)).returncode == 0
    assert run("keys", "revoke", "part", "--folder", str(hub.keys)).returncode == 0
    deadline = time.monotonic() + WAIT_S
    while "the key of wall has changed" not in hub.log.read_text():
        assert time.monotonic() < deadline, "the hub has not noticed"
        desk.poll(500)
    while wall.poll(0):  # what was on its way
        wall.recv_multipart()
    assert not wall.poll(3000), "it is disconnected, and not let in again"
    fresh = connect("late", zmq.SUB, hub.settings.outlet, "")
    assert health_of(fresh).counters["refused_handshakes"] >= 1
    assert health_of(desk), "others are served as before"
    classifier.recv_multipart()
    detector.setsockopt(zmq.SNDTIMEO, 100)
    for _ in range(5):
        try:
            detector.send_multipart(parts_of("Faces"))
        except zmq.Again:
            break
    assert not classifier.poll(1500), "it gets no more crops"
    assert late.is_dir()


@pytest.mark.parametrize("broken", ["allowed/aaa.key", "hub.key_secret"])
def test_a_key_is_revoked_whatever_other_files_cannot_be_read(
    hub: KeyedHub, connect: Connect, broken: str
) -> None:
    """The hub kept all of the old keys as long as one file could not be read."""
    speaker = connect("desk", zmq.XPUB, hub.settings.ingress)
    assert {speaker.recv(), speaker.recv()} == {b"\x01", b"\x01~delivery/live"}
    health_of(connect("wall", zmq.SUB, hub.settings.outlet, "health/"))
    (hub.keys / broken).write_text("rubbish")
    assert run("keys", "revoke", "wall", "--folder", str(hub.keys)).returncode == 0
    deadline = time.monotonic() + WAIT_S
    while "the key of wall has changed" not in hub.log.read_text():
        assert time.monotonic() < deadline, hub.log.read_text()
        speaker.poll(200)
    late = connect("wall", zmq.SUB, hub.settings.outlet, "health/")
    assert not late.poll(2500), "it is still allowed"
    assert Path(broken).name in hub.log.read_text()


def test_a_publisher_whose_key_is_revoked_is_disconnected(hub: KeyedHub, connect: Connect) -> None:
    speaker = connect("desk", zmq.XPUB, hub.settings.ingress)
    silent = connect("strap", zmq.XPUB, hub.settings.ingress)
    for socket in (speaker, silent):
        assert {socket.recv(), socket.recv()} == {b"\x01", b"\x01~delivery/live"}
    ear = connect("wall", zmq.SUB, hub.settings.outlet, "marker/")
    while not ear.poll(100):  # until its subscription counts
        speaker.send_multipart(parts_of("Marker"))
    for name in ("desk", "strap"):
        assert run("keys", "revoke", name, "--folder", str(hub.keys)).returncode == 0
    for socket in (speaker, silent):
        for topic in (b"", b"~delivery/live"):
            assert socket.poll(WAIT_S * 1000), "it is still connected"
            assert socket.recv() == b"\x00" + topic, "it ends with the connection"
        assert not socket.poll(1500), "it is let in again"


def test_the_commands_work_with_keys(hub: KeyedHub) -> None:
    clients = hub.keys / "clients"
    heard = hub.run(clients / "wall", "subscribe", "health/", "--count", "1", "--format", "json")
    assert heard.returncode == 0, heard.stderr
    pair = KeyStore(hub.keys).hub_pair()
    assert pair
    assert json.loads(heard.stdout)["detail"] == f"key {fingerprint(pair.public_key)}"
    assert hub.address in KeyStore(clients / "wall").known_hubs()
    marked = hub.run(clients / "desk", "mark", "lorry")
    assert (marked.returncode, marked.stderr) == (0, "")
    for name, words in (
        ("wall", ("mark", "lorry")), ("wall", ("control", "stop-recording")),
        ("wall", ("control", "record", "drive", "--consent", "x")), ("desk", ("control", "quit")),
        ("desk", ("control", "pause")), ("strap", ("control", "calibrate")),
    ):  # fmt: skip
        refused = hub.run(clients / name, *words)
        assert refused.returncode == 1, words
        assert "this key's role, " in refused.stderr
        assert "use a key with the role " in refused.stderr
    assert hub.run(clients / "part", "control", "quit").returncode == 0


def test_a_sensor_publishes_with_its_key(hub: KeyedHub, connect: Connect) -> None:
    ear = connect("desk", zmq.SUB, hub.settings.outlet, "bio/", "health/biometrics")
    command = [*AFFECTLINE, "biometrics", "--driver", "synthetic", "--subject", "anna"]
    sensor = subprocess.Popen(
        [*command, "--hub", hub.address], env=hub.environment(hub.keys / "clients" / "strap")
    )
    try:
        assert kinds_heard(ear, 12) == {"bio", "health"}
    finally:
        sensor.terminate()
        sensor.wait(timeout=20)


def test_another_hub_at_the_address_is_not_taken_for_the_known_one(
    hub: KeyedHub, tmp_path: Path
) -> None:
    wall = shutil.copytree(hub.keys / "clients" / "wall", tmp_path / "another machine")
    words = ("subscribe", "health/", "--count", "1")
    assert hub.run(wall, *words).returncode == 0
    hub.stop()
    new = run("keys", "new", "hub", "--folder", str(hub.keys))
    assert new.returncode == 0
    hub.start()
    met = hub.run(wall, *words)
    assert met.returncode == 1
    assert "is not the one with the key" in met.stderr
    (wall / "hub.key").write_bytes((hub.keys / "hub.key").read_bytes())
    swapped = hub.run(wall, *words)
    assert "is known as the hub with the key" in swapped.stderr
    assert hub.run(wall, "keys", "forget", hub.address).returncode != 0  # it has no --hub
    forgotten = run("keys", "forget", hub.address, env=hub.environment(wall))
    assert forgotten.returncode == 0, forgotten.stderr
    assert hub.run(wall, *words).returncode == 0


def test_a_key_that_is_not_let_in_is_told_so(hub: KeyedHub) -> None:
    wall = hub.keys / "clients" / "wall"
    run("keys", "revoke", "wall", "--folder", str(hub.keys))
    told = hub.run(wall, "subscribe", "health/", "--count", "1")
    assert told.returncode == 1
    assert "refuses this key" in told.stderr


def test_the_hub_s_own_keys_are_exchanged_while_it_runs(hub: KeyedHub, connect: Connect) -> None:
    desk = connect("desk", zmq.SUB, hub.settings.outlet, "")
    before = health_of(desk)
    assert run("keys", "new", "hub", "--folder", str(hub.keys)).returncode == 0
    deadline = time.monotonic() + WAIT_S
    while "the hub has a new key" not in hub.log.read_text():
        assert time.monotonic() < deadline, "the hub has not noticed"
        desk.poll(500)
    for name in ("wall", "part"):
        folder = hub.keys / "clients" / name
        (folder / "hub.key").write_bytes((hub.keys / "hub.key").read_bytes())
    after = health_of(connect("wall", zmq.SUB, hub.settings.outlet, ""))
    pair = KeyStore(hub.keys).hub_pair()
    assert pair
    assert after.detail == f"key {fingerprint(pair.public_key)}" != before.detail
    assert after.pid == before.pid
    classifier = connect("part", zmq.PULL, hub.settings.work_out)
    detector = connect("part", zmq.PUSH, hub.settings.work_in)
    detector.send_multipart(parts_of("Faces"))
    assert classifier.poll(WAIT_S * 1000)


def test_without_keys_a_hub_listens_on_this_machine_only(tmp_path: Path) -> None:
    port = free_port()
    environment: dict[str, Any] = {"AFFECTLINE_KEYS": str(tmp_path)}
    refused = run("hub", "--bind", f"0.0.0.0:{port}", env=os.environ | environment)
    assert refused.returncode == 1
    for words in ("affectline keys new NAME --role pipeline", "--role listener", "--insecure"):
        assert words in refused.stderr


def test_machines_of_one_pipeline_work_together_by_keys(two_hosts: None, tmp_path: Path) -> None:
    """The classifier and a listener are on another machine than everything else."""
    here, there = HOSTS
    store = KeyStore(tmp_path / "keys")
    folders = {}
    for name, role in (("part", "pipeline"), ("wall", "listener")):
        done = run("keys", "new", name, "--role", role, "--folder", str(store.folder))
        assert done.returncode == 0, done.stderr
        folders[name] = {"AFFECTLINE_KEYS": str(store.folder / "clients" / name)}
    own, at_hub = {"AFFECTLINE_KEYS": str(store.folder)}, ("--hub", f"{HUB}:5555")
    nobody = {"AFFECTLINE_KEYS": str(tmp_path / "none")}
    with (
        on(here, "hub", "--bind", f"{HUB}:5555", "--delivery", "live", environment=own),
        on(here, "capture", "sample", "--loop", *at_hub, "--delivery", "live", environment=own),
        on(here, "detector", "sample", *at_hub, "--delivery", "live", environment=own),
        on(there, "classifier", *at_hub, "--delivery", "live", environment=folders["part"]),
        on(there, "subscribe", *at_hub, "--format", "json", environment=folders["wall"]) as heard,
    ):
        assert heard.stdout
        labels, topics = 0, set()
        for line in heard.stdout:
            told = json.loads(line)
            topics.add(told["message"])
            labels += any(face["label"] for face in told.get("faces", ()))
            if labels >= 10:
                break
        assert "Frame" not in topics
        with on(there, "subscribe", *at_hub, environment=nobody) as stranger:
            assert stranger.wait(timeout=30) == 1
            assert stranger.stderr
            assert "requires keys" in stranger.stderr.read()


def test_a_machine_of_classifiers_ends_no_stream(hub: KeyedHub, connect: Connect) -> None:
    hub.make("lab2", "pipeline", "--service", "classifier")
    listener = connect("part", zmq.SUB, hub.settings.outlet, "")
    limited = connect("lab2", zmq.XPUB, hub.settings.ingress)
    owner = connect("part", zmq.XPUB, hub.settings.ingress)
    for speaker in (limited, owner):
        assert speaker.poll(WAIT_S * 1000), "the key was not let in"
    speak_until_heard(owner, listener)
    owner.send_multipart(parts_of("Frame"))
    hear(listener, b"frame/drive")
    for kind in ("StreamStart", "StreamEnd", "StreamDone", "Frame", "Resend", "Emotion", "State"):
        limited.send_multipart(parts_of(kind))
        limited.send_multipart([b"~to/sink:", *parts_of(kind)])
    limited.send_multipart(parts_of("Scores"))
    assert hear(listener, b"scores/drive") <= {b"health/hub"}
    told = health_of(listener).counters
    assert told["refused_stream"] == 3
    assert told["refused_other"] == 7
    assert "of lab2" in hub.log.read_text()


def test_a_key_that_is_allowed_while_the_hub_runs_counts_at_once(
    hub: KeyedHub, connect: Connect
) -> None:
    """libzmq never tries again after a refusal: a client that came too early stayed out."""
    assert connect("part", zmq.XPUB, hub.settings.ingress).poll(WAIT_S * 1000)
    store = KeyStore(hub.keys)
    for number in range(5):
        pair, place = store.make_client(name := f"late{number}", "pipeline")
        store.allow(KeyHolder(name=name, public_key=pair.public_key, role="pipeline"))
        speaker = connect(place.name, zmq.XPUB, hub.settings.ingress)
        assert speaker.poll(WAIT_S * 1000), f"{name} is not let in"


def test_the_work_queue_carries_crops_of_those_who_make_them(
    hub: KeyedHub, connect: Connect
) -> None:
    """Copies of whatever came were published, for everybody who may take crops, in their place."""
    hub.make("lab2", "pipeline", "--service", "classifier")
    consumer = connect("part", zmq.SUB, hub.settings.bus, "control/", "emotion/", "faces/")
    listener = connect("part", zmq.SUB, hub.settings.outlet, "")
    classifier = connect("part", zmq.PULL, hub.settings.work_out)
    limited = connect("lab2", zmq.PUSH, hub.settings.work_in)
    detector = connect("part", zmq.PUSH, hub.settings.work_in)
    deadline = time.monotonic() + WAIT_S
    while not consumer.poll(100):  # until the queue copies crops
        assert time.monotonic() < deadline, "no copies of crops"
        detector.send_multipart(parts_of("Faces"))
        assert classifier.poll(WAIT_S * 1000)
        classifier.recv_multipart()
    for pusher in (limited, detector):
        for kind in ("Control", "Emotion"):
            pusher.send_multipart(parts_of(kind))
        pusher.send_multipart([b"~to/sink:", *parts_of("Emotion")])
    limited.send_multipart(parts_of("Faces"))
    deadline = time.monotonic() + WAIT_S  # a slow start of the hub is no part of it
    while (told := health_of(listener).counters).get("refused_faces", 0) < 1:
        assert time.monotonic() < deadline, told
    while told.get("refused_other", 0) < 2:
        assert time.monotonic() < deadline, told
        told = health_of(listener).counters
    assert (told["refused_control"], told["refused_emotion"]) == (2, 2)
    while consumer.poll(500):
        assert consumer.recv_multipart()[0] == b"faces/drive"
    assert not classifier.poll(0)
    assert "faces/ of lab2" in hub.log.read_text()


def test_a_stream_is_that_of_one_connection_of_a_key(hub: KeyedHub, connect: Connect) -> None:
    listener = connect("part", zmq.SUB, hub.settings.outlet, "stream/")
    first, second = (connect("part", zmq.XPUB, hub.settings.ingress) for _ in range(2))
    for speaker in (first, second):
        assert speaker.poll(WAIT_S * 1000), "the key was not let in"
    speak_until_heard(first, listener)
    while listener.poll(500):
        assert isinstance(codec.decode(listener.recv_multipart()).message, StreamStart)
    second.send_multipart(parts_of("StreamEnd"))
    second.send_multipart(parts_of("StreamDone"))
    assert isinstance(codec.decode(listener.recv_multipart()).message, StreamDone)
    assert "of part at 127.0.0.1 (part at 127.0.0.1 publishes it" in hub.log.read_text()
    first.close(linger=0)
    deadline = time.monotonic() + WAIT_S
    while not listener.poll(100):
        assert time.monotonic() < deadline, "the stream was not let go"
        second.send_multipart(parts_of("StreamEnd"))


def speak_until_heard(speaker: "zmq.Socket[bytes]", listener: "zmq.Socket[bytes]") -> None:
    """Start a stream until the hub has the listener's subscription."""
    deadline = time.monotonic() + WAIT_S
    started: set[bytes] = set()
    while not any(topic.startswith(b"stream/") for topic in started):
        assert time.monotonic() < deadline, "the stream was not heard"
        speaker.send_multipart(parts_of("StreamStart"))
        if listener.poll(100):
            started.add(listener.recv_multipart()[0])


def hear(listener: "zmq.Socket[bytes]", wanted: bytes) -> set[bytes]:
    """Listen until there is something on a topic; the topics before it."""
    before: set[bytes] = set()
    while True:
        assert listener.poll(WAIT_S * 1000), f"nothing on {wanted!r}"
        topic = listener.recv_multipart()[0]
        if topic == wanted:
            return before
        before.add(topic)
