"""The player's times and keys, heard from outside."""

import os
import pty
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from affectline.common.recording.reader import SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamEnd, StreamStart
from tests.pipelines import free_port, listening, process, run

pytestmark = pytest.mark.timeout(300)


def small_session(path: Path, markers: int, step_s: float) -> None:
    writer = SessionWriter(path, {"privacy": "features"})
    for i in range(markers):
        at = round(i * step_s * 1e9)
        packet = Packet(Marker(session="s", at=at, label=str(i)))
        writer.add("Marker", codec.encode(packet), at, at)
    writer.finish()


def answer(epoch: int, seq: int) -> Emotion:
    return Emotion(
        stream="s",
        epoch=epoch,
        seq=seq,
        captured_at=seq,
        received_at=seq,
        width=9,
        height=9,
        published_at=seq,
    )


def hear(
    listener: OutletSubscriber, wanted: Callable[[str], bool], timeout_s: float = 30
) -> list[str]:
    """Labels of the markers heard, up to the one that is wanted."""
    heard: list[str] = []
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        listener.wait(timeout_s=0.1)
        for packet in listener.receive():
            if isinstance(packet.message, Marker):
                heard.append(packet.message.label)
                if wanted(heard[-1]):
                    return heard
    raise AssertionError(f"heard only {heard}")


def test_times_and_the_part_that_is_asked_for(tmp_path: Path) -> None:
    small_session(tmp_path / "s.mcap", 21, 0.2)
    hub = HubSettings(port=free_port())
    arguments = ("--rate", "2", "--from", "2s", "--topics", "marker/", "--port", str(hub.port))
    with listening(hub) as listener, process("replay", str(tmp_path / "s.mcap"), *arguments) as it:
        hear(listener, lambda label: label == "10")
        begun = time.monotonic()
        assert hear(listener, lambda label: label == "20") == [str(i) for i in range(11, 21)]
        took = time.monotonic() - begun
        assert it.wait(timeout=30) == 0
    assert took == pytest.approx(1.0, abs=0.6), "two seconds at twice the rate"


def record_again(file: Path) -> Path:
    """Replay a recording as fast as it goes into a session folder beside it; the folder."""
    out = file.with_name("again")
    done = run(
        "replay", str(file), "--rate", "max", "--record", "--out", str(out),
        "--port", str(free_port()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_a_recording_without_a_stream_ends_as_well(tmp_path: Path) -> None:
    small_session(tmp_path / "s.mcap", 5, 0.2)
    out = record_again(tmp_path / "s.mcap")
    assert len((out / "markers.csv").read_text().splitlines()) == 6
    with SessionReader(out) as reader:
        assert reader.topics()["marker/s"] == 5
        assert reader.file.footer


def test_what_follows_the_end_of_a_stream_is_replayed_as_well(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "features"})
    messages: list[Message] = []
    for epoch in (1, 5):  # a camera that was stopped and begun again, beside tools that go on
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
        end = StreamEnd(
            stream="s", epoch=epoch, ended_at=epoch, received_at=epoch, last_seq=9, reason="end"
        )
        messages += [start, *(answer(epoch, seq) for seq in range(10)), end]
        messages += [Marker(session="s", at=i, label=f"{epoch} {i}") for i in range(3)]
    for i, message in enumerate(messages):
        writer.add(type(message).__name__, codec.encode(Packet(message)), i * 10**8, i)
    writer.finish()
    out = record_again(tmp_path / "s.mcap")
    assert len((out / "markers.csv").read_text().splitlines()) == 1 + 6
    with SessionReader(out) as reader:
        topics = reader.topics()
        assert (topics["emotion/s"], topics["marker/s"]) == (20, 6)
        assert reader.file.footer


def test_pause_step_and_quit_by_key(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"privacy": "features"})
    for i in range(400):
        writer.add("Emotion", codec.encode(Packet(answer(1, i))), i * 50_000_000, i)
    writer.finish()
    hub = HubSettings(port=free_port())
    ours, theirs = pty.openpty()
    arguments = ("replay", str(tmp_path / "s.mcap"), "--port", str(hub.port))
    with listening(hub) as listener, process(*arguments, stdin=theirs) as player:
        heard = seqs(listener)
        first = next(heard)
        os.write(ours, b" ")
        paused = until_paused(listener, first)
        for _ in range(2):
            os.write(ours, b".")
            assert next(heard) == paused + 1
            paused += 1
        os.write(ours, b" ")
        assert [next(heard) for _ in range(3)] == [paused + 1, paused + 2, paused + 3]
        os.write(ours, b"q")
        assert player.wait(timeout=30) == 0
    os.close(ours)
    os.close(theirs)
    assert first <= 2


def seqs(listener: OutletSubscriber, timeout_s: float = 30) -> Iterator[int]:
    """Numbers of the pictures that are judged."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        listener.wait(timeout_s=0.1)
        for packet in listener.receive():
            if isinstance(packet.message, Emotion):
                yield packet.message.seq
    raise AssertionError("nothing more is heard")


def until_paused(listener: OutletSubscriber, last: int) -> int:
    """The last picture judged before the player's health says that it is paused."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        listener.wait(timeout_s=0.1)
        for packet in listener.receive():
            if isinstance(packet.message, Emotion):
                last = packet.message.seq
            elif "paused" in getattr(packet.message, "detail", ""):
                return last
    raise AssertionError("it does not pause")
