"""The window, looked at and typed into, on a virtual screen."""

import csv
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ImageGrab

from affectline.common.recording.writer import SessionWriter
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import Frame, Marker, Packet
from tests.integration.test_replay_process import answer, seqs, until_paused
from tests.pipelines import Pipeline, free_port, listening, process
from tests.screens import SCREEN, virtual_screen

STREAM = "expressive_woman"
TITLE = f"Affectline {STREAM}"
LOOK_S = 0.05
"""Between two looks at the screen: the pipeline that is to show something needs the processor."""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A virtual screen of our own."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed: apt-get install xdotool")
    with virtual_screen() as name:
        monkeypatch.setenv("DISPLAY", name)
        yield name


def find_window(timeout_s: float = 20, title: str = TITLE) -> str:
    """Wait for the window, of which there is one; return its number."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["xdotool", "search", "--sync", "--onlyvisible", "--name", title],
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if found.returncode == 0:
            (number,) = found.stdout.split()
            return number
        time.sleep(LOOK_S)  # a window was gone while it was looked at
    raise AssertionError(f"no window {title}")


def ask(*command: str) -> str:
    return subprocess.run(
        ["xdotool", *command], capture_output=True, text=True, timeout=20, check=True
    ).stdout


def ask_to_close(screen: str, window: int) -> None:
    """Send what the cross of a window's frame sends; xdotool does not in every version."""
    with socket.socket(socket.AF_UNIX) as server, server.makefile("rb") as answers:
        server.connect(f"/tmp/.X11-unix/X{screen.removeprefix(':')}")
        server.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        (words,) = struct.unpack("<6xH", answers.read(8))
        answers.read(4 * words)
        atoms = []
        for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"):
            padded = name + bytes(-len(name) % 4)
            server.sendall(struct.pack("<BBHHxx", 16, 0, 2 + len(padded) // 4, len(name)) + padded)
            atoms.append(struct.unpack("<8xI20x", answers.read(32))[0])
        event = struct.pack("<BBHII5I", 33, 32, 0, window, *atoms, 0, 0, 0, 0)
        server.sendall(struct.pack("<BBHII", 25, 0, 11, window, 0) + event)
        server.sendall(struct.pack("<BBH", 43, 0, 1))
        answers.read(32)  # an answer: it has come so far


def size_of(window: str) -> tuple[int, int]:
    said = ask("getwindowgeometry", "--shell", window)
    width, height = (re.search(rf"{name}=(\d+)", said) for name in ("WIDTH", "HEIGHT"))
    assert width
    assert height
    return int(width[1]), int(height[1])


def look(screen: str) -> np.ndarray:
    """The whole screen as a picture, RGB."""
    return np.asarray(ImageGrab.grab(xdisplay=screen).convert("RGB"))


def look_until(screen: str, seen: Callable[[np.ndarray], bool], timeout_s: float = 20) -> None:
    """Look at the screen until it shows what is waited for."""
    deadline = time.monotonic() + timeout_s
    while not seen(look(screen)):
        assert time.monotonic() < deadline, "it is not shown"
        time.sleep(LOOK_S)


def press(window: str, key: str) -> None:
    subprocess.run(["xdotool", "windowfocus", "--sync", window, "key", key], check=True)


def wait_until(path: Path, pattern: str, timeout_s: float = 10) -> list[Path]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := sorted(path.glob(pattern)):
            return found
        time.sleep(LOOK_S)
    raise AssertionError(f"no {pattern} in {path}")


def test_k_takes_a_snapshot_m_sets_a_marker_q_quits(
    screen: str, clips: Path, tmp_path: Path
) -> None:
    source = str(clips / "expressive_woman.mp4")
    out = tmp_path / "out"
    with Pipeline(out, "--source", source, "--display", "window") as pipeline:
        window = find_window()
        shown = pipeline.wait_for_frame(10)
        press(window, "m")
        marker = pipeline.wait_for(lambda m: isinstance(m, Marker))
        assert isinstance(marker, Marker)
        assert marker.source == "window"
        assert shown.media_time is not None
        into = marker.at - (shown.captured_at - shown.media_time)
        frame = round(into * 24 / 1.001 / 1e9)
        assert into == pytest.approx(frame * 1.001 / 24 * 1e9, abs=1e6), "the time of a frame"
        press(window, "k")
        (face,) = wait_until(out / "snapshots", "*-face1.png")
        press(window, "q")
        summary = pipeline.finish(timeout_s=10)
        log = pipeline.log()
    assert summary["frames"] < 472, "Q ended it before the film did"
    assert "K: snapshot   M: marker   Q: quit" in log
    assert re.search(r"face 1: \w+: angry 0\..*neutral 0\.\d+  valence [+-]0\.\d+  arousal ", log)
    assert [oct(path.stat().st_mode & 0o777) for path in (face.parent, face)] == ["0o700", "0o600"]
    picture = cv2.imread(str(face.with_name(face.name.replace("-face1", ""))))
    assert picture is not None
    assert picture.shape == (360, 640, 3)
    small = cv2.imread(str(face))
    assert small is not None
    assert small.shape[0] > 100
    with (out / "markers.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["marker"]


def film_of(folder: Path, name: str, shade: int, size: tuple[int, int]) -> str:
    """A film of one shade of grey."""
    path = folder / f"{name}.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
    for _ in range(300):
        writer.write(np.full((size[1], size[0], 3), shade, np.uint8))
    writer.release()
    return str(path)


def is_at(image: np.ndarray, place: tuple[float, float], size: tuple[int, int], gray: int) -> bool:
    """Whether a place of the window, as shares of its size, is of a shade of grey."""
    x, y = (round(share * length) for share, length in zip(place, size, strict=True))
    return bool((np.abs(image[y, x].astype(int) - gray) < 12).all())


def test_several_streams_share_one_window_that_is_resized_and_closed(
    screen: str, tmp_path: Path
) -> None:
    shades = {"one": 60, "two": 110, "three": 160, "four": 210}
    films = [
        f"{name}={film_of(tmp_path, name, shade, (320, 180))}" for name, shade in shades.items()
    ]
    sources = [word for film in films for word in ("--source", film)]
    with Pipeline(tmp_path / "out", *sources, "--display", "window") as pipeline:
        window = find_window(title="Affectline one, two, three, four")
        size = size_of(window)
        assert size == (1138, 640), "as large as the screen allows"
        assert size[0] <= SCREEN[0]
        assert size[1] <= SCREEN[1]
        middles = [(0.25, 0.3), (0.75, 0.3), (0.25, 0.8), (0.75, 0.8)]

        def shows_all(image: np.ndarray) -> bool:
            now = size_of(window)
            return all(map(is_at, [image] * 4, middles, [now] * 4, shades.values()))

        look_until(screen, shows_all)
        ask("windowsize", "--sync", window, "700", "500")
        look_until(screen, shows_all)
        ask_to_close(screen, int(window))
        summary = pipeline.finish(timeout_s=10)
    assert summary["frames"] < 4 * 300, "it was closed before the films had ended"


def test_a_replay_is_paused_and_stepped_in_its_window(screen: str, tmp_path: Path) -> None:
    write_session(tmp_path / "s.mcap", pictures=600)
    hub = HubSettings(port=free_port())
    where = ("--port", str(hub.port), "--out", str(tmp_path / "out"))
    arguments = ("replay", str(tmp_path / "s.mcap"), "--display", "window", *where)
    with listening(hub) as listener, process(*arguments) as player:
        heard = seqs(listener)
        first = next(heard)
        window = find_window()
        press(window, "space")
        paused = until_paused(listener, first)
        for _ in range(2):
            press(window, "period")
            assert next(heard) == paused + 1
            paused += 1
        press(window, "space")
        assert [next(heard) for _ in range(3)] == [paused + 1, paused + 2, paused + 3]
        press(window, "q")
        assert player.wait(timeout=30) == 0


def write_session(path: Path, pictures: int) -> None:
    """Record grey pictures without a face, twenty a second."""
    writer = SessionWriter(path, {"privacy": "everything"})
    _, encoded = cv2.imencode(".jpg", np.full((180, 320, 3), 90, np.uint8))
    for seq in range(pictures):
        at = seq * 50_000_000
        about = {"stream": STREAM, "captured_at": at, "width": 320, "height": 180}
        said = answer(1, seq).model_copy(update=about)
        frame = Frame(**said.identity)
        writer.add("Frame", codec.encode(Packet(frame, (encoded.tobytes(),))), at, at)
        writer.add("Emotion", codec.encode(Packet(said)), at, at)
    writer.finish()


def test_a_screen_that_is_not_there_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISPLAY", ":93")
    with Pipeline(tmp_path / "out", "--display", "window") as pipeline:
        assert pipeline.process.wait(timeout=20) == 1
        assert "no X server answers at DISPLAY ':93'" in pipeline.log()
        assert pipeline.log().count("\n") == 1
