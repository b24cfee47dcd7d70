"""Markers said from a command line."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from affectline.common.clock import SKEW_VARIABLE, now_ns
from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import OutletSubscriber, Publisher, Receiver
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Marker, Packet
from tests.integration.test_documented_subscribers import program
from tests.pipelines import AFFECTLINE, free_port, run
from tests.samples import EMOTION


def first_markers(listener: OutletSubscriber) -> list[Marker]:
    """The first markers that are heard together, within half a minute of silence."""
    heard: list[Marker] = []
    while not heard and listener.wait(timeout_s=30):
        found = [packet.message for packet in listener.receive()]
        heard += [message for message in found if isinstance(message, Marker)]
    return heard


@pytest.fixture
def hub() -> Iterator[HubSettings]:
    settings = HubSettings(port=free_port())
    process = subprocess.Popen([*AFFECTLINE, "hub", "--bind", f"127.0.0.1:{settings.port}"])
    yield settings
    process.terminate()
    process.wait(timeout=20)


def mark(hub: HubSettings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("mark", *arguments, "--hub", f"127.0.0.1:{hub.port}")


def test_a_marker_keeps_its_free_fields(hub: HubSettings) -> None:
    listener = OutletSubscriber(hub, ("marker/", "health/"))
    try:
        # The hub's own words tell that we are connected.
        assert listener.wait(timeout_s=60)
        done = mark(
            hub, "hard braking", "--field", "speed=63.5", "--field", "road=wet", "--field",
            "who=[1, 2]", "--field", "odd=NaN", "--session", "s1",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        heard: list[Marker] = []
        while not heard and listener.wait(timeout_s=30):
            found = [packet.message for packet in listener.receive()]
            assert all(isinstance(message, (Marker, Health)) for message in found)
            heard += [message for message in found if isinstance(message, Marker)]
    finally:
        listener.close()
    (marker,) = heard
    assert (marker.label, marker.session, marker.source) == ("hard braking", "s1", "command")
    assert marker.extra == {"speed": 63.5, "road": "wet", "who": [1, 2], "odd": "NaN"}


def test_the_documented_publisher_sets_a_marker(hub: HubSettings, tmp_path: Path) -> None:
    (tmp_path / "publisher.py").write_text(program("marker"))
    listener = OutletSubscriber(hub, ("marker/", "health/"))
    try:
        assert listener.wait(timeout_s=60)
        before = now_ns()
        subprocess.run(
            [sys.executable, str(tmp_path / "publisher.py"), hub.ingress, hub.outlet],
            check=True,
            timeout=60,
        )
        heard = first_markers(listener)
    finally:
        listener.close()
    (marker,) = heard
    assert (marker.label, marker.session, marker.source) == ("hard braking", "drive", "my tool")
    assert marker.extra == {"speed": 63.5, "road": ["wet"]}
    assert before < marker.at < now_ns()


def test_a_marker_from_a_host_with_a_wrong_clock_is_in_hub_time(
    hub: HubSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SKEW_VARIABLE, "3600000")
    listener = OutletSubscriber(hub, ("marker/", "health/"))
    try:
        assert listener.wait(timeout_s=60)
        before = now_ns()
        # Every address of this machine, which does not look like this machine
        done = run("mark", "x", "--hub", f"0.0.0.0:{hub.port}", "--insecure")
        assert done.returncode == 0, done.stderr
        heard = first_markers(listener)
    finally:
        listener.close()
    (marker,) = heard
    assert before < marker.at < now_ns()


def mark_beside(hub: HubSettings, frame: Emotion, *announced: str) -> tuple[Marker, str]:
    """Set a marker while a result is published again and again; the marker, and what was said."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listener = OutletSubscriber(hub, ("marker/", "health/"))
    try:
        publisher = Publisher(context, reach(hub).ingress)
        consumer = Receiver(context, reach(hub).bus, Counter(), prefixes=("control/",))
        for service in announced:
            consumer.announce(service)
        assert listener.wait(timeout_s=60)
        command = [*AFFECTLINE, "mark", "x", "--hub", f"127.0.0.1:{hub.port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as marking:
            heard: list[Marker] = []
            while not heard:
                publisher.update_consumers()
                publisher.send(Packet(frame), wait=True)
                listener.wait(timeout_s=0.02)
                found = [packet.message for packet in listener.receive()]
                heard += [message for message in found if isinstance(message, Marker)]
            said, _ = marking.communicate(timeout=60)
        (marker,) = heard
        return marker, said
    finally:
        listener.close()
        context.destroy(linger=0)


def test_beside_a_film_a_marker_has_the_time_of_the_newest_frame(hub: HubSettings) -> None:
    marker, said = mark_beside(hub, EMOTION)
    assert marker.at == EMOTION.captured_at
    assert EMOTION.media_time is not None
    assert f"marked at {EMOTION.media_time / 1e9:.3f} s of drive (" in said


def test_beside_a_camera_a_marker_has_the_time_of_the_clock(hub: HubSettings) -> None:
    before = now_ns()
    marker, _ = mark_beside(hub, EMOTION.model_copy(update={"media_time": None}))
    assert before < marker.at < now_ns()


def test_in_the_replay_of_a_camera_a_marker_has_the_time_of_then(hub: HubSettings) -> None:
    frame = EMOTION.model_copy(update={"media_time": None})
    marker, _ = mark_beside(hub, frame, "replay")
    assert marker.at == EMOTION.captured_at


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["x", "--field", "speed"], "--field speed: not NAME=VALUE"),
        ([""], "label '': String should have at least 1 character"),
        (["x", "--session", "a/b"], "session 'a/b'"),
        (["x"], "no hub on tcp://127.0.0.1"),
    ],
)
def test_what_cannot_be_marked_is_said_in_one_line(arguments: list[str], told: str) -> None:
    done = mark(HubSettings(port=free_port()), *arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
