"""How large the screen is, as an X server tells it."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.services.sink.screen import UNKNOWN, XDisplay, screen_size

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="X is asked on Linux")


def reply(width: int, height: int) -> bytes:
    """What a server of X11 says first, with two formats and a vendor of five letters."""
    head = struct.pack("<IIIIHHBBBBBBBBxxxx", 0, 0, 0, 0, 5, 0, 1, 2, 0, 0, 32, 32, 8, 255)
    screen = struct.pack("<IIIIIHH", 0, 0, 0, 0, 0, width, height) + bytes(16)
    body = head + b"Xtest\0\0\0" + bytes(16) + screen
    return struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """What the server shall answer, and what it was asked."""
    given: list[bytes] = []
    asked: list[bytes] = []
    threads: list[threading.Thread] = []

    def connect(_: XDisplay) -> socket.socket:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            with theirs:
                asked.append(theirs.recv(4096))
                theirs.sendall(given.pop(0))

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return ours

    monkeypatch.setattr(XDisplay, "connect", connect)
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setenv("XAUTHORITY", "/nowhere")
    yield given, asked
    for thread in threads:
        thread.join()


def test_the_server_tells_the_size(answers: tuple[list[bytes], list[bytes]]) -> None:
    answers[0].append(reply(2560, 1440))
    assert screen_size() == (2560, 1440)


def test_a_server_that_wants_a_key_gets_that_of_its_display(
    answers: tuple[list[bytes], list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(*fields: bytes) -> bytes:
        return b"\x01\x00" + b"".join(struct.pack(">H", len(f)) + f for f in fields)

    path = tmp_path / "keys"
    name = b"MIT-MAGIC-COOKIE-1"
    path.write_bytes(entry(b"host", b"6", name, b"other") + entry(b"host", b"7", name, b"k" * 16))
    monkeypatch.setenv("XAUTHORITY", str(path))
    answers[0].append(reply(1024, 768))
    assert screen_size() == (1024, 768)
    assert answers[1][0].endswith(name + b"\0\0" + b"k" * 16)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\x05\x0b\x00\x00\x00\x02\x00refused.", reply(0, 0), reply(9, 9)[:30], b"\1" * 8],
)
def test_a_server_that_does_not_tell_is_no_obstacle(
    answers: tuple[list[bytes], list[bytes]], answer: bytes
) -> None:
    answers[0].append(answer)
    assert screen_size() == UNKNOWN


@pytest.mark.parametrize("name", ["", "nonsense", ":999999"])
def test_no_server_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DISPLAY", name)
    assert screen_size() == UNKNOWN


def test_damaged_keys_are_no_obstacle(
    answers: tuple[list[bytes], list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"\x01\x00\xff\xff123")
    monkeypatch.setenv("XAUTHORITY", str(path))
    assert screen_size() == UNKNOWN
