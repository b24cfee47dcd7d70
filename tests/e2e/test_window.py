"""The window, looked at and typed into, on a virtual screen."""

import csv
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.messages import Frame, Marker, Packet
from tests.integration.test_replay_process import answer, seqs, until_paused
from tests.pipelines import Pipeline, free_port, listening, process

STREAM = "expressive_woman"
TITLE = f"Affectline {STREAM}"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A virtual screen of our own."""
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install xvfb xdotool")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as number:
        name = f":{number.readline().strip()}"
    monkeypatch.setenv("DISPLAY", name)
    yield name
    server.terminate()
    server.wait(timeout=10)


def find_window(timeout_s: float = 20) -> str:
    """Wait for the window; return its number."""
    found = subprocess.run(
        ["xdotool", "search", "--sync", "--onlyvisible", "--name", TITLE],
        capture_output=True, text=True, timeout=timeout_s, check=True,
    )  # fmt: skip
    return found.stdout.split()[0]


def press(window: str, key: str) -> None:
    subprocess.run(["xdotool", "windowfocus", "--sync", window, "key", key], check=True)


def wait_until(path: Path, pattern: str, timeout_s: float = 10) -> list[Path]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := sorted(path.glob(pattern)):
            return found
        os.sched_yield()
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
