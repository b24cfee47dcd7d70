"""The synchrony check, before a camera of which the delay is known."""

import json
import mmap
import os
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.browsers import chromium, open_page
from tests.cameras import HttpCamera
from tests.pipelines import process, run

DELAY_S = 0.18
SECONDS = "12"
SIZE = (600, 640)


class LateEye:
    """What a camera sees, ``DELAY_S`` after it was there.

    Args:
        look: The picture that is there now.
    """

    def __init__(self, look: Callable[[], npt.NDArray[np.uint8]]) -> None:
        self._look = look
        self._seen: deque[tuple[float, npt.NDArray[np.uint8]]] = deque()

    def watch(self) -> None:
        """Look once."""
        self._seen.append((time.monotonic(), self._look()))
        while len(self._seen) > 1 and self._seen[1][0] < time.monotonic() - DELAY_S:
            self._seen.popleft()

    def draw(self, _: int) -> npt.NDArray[np.uint8]:
        return self._seen[0][1] if self._seen else np.zeros((*SIZE, 3), np.uint8)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A virtual screen; yields the file that holds its pixels."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed: apt-get install xvfb")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "640x600x24", "-fbdir", tmp_path],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as number:
        monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
    yield tmp_path / "Xvfb_screen0"
    server.terminate()
    server.wait(timeout=10)


@contextmanager
def pixels_of(file: Path) -> Iterator[Callable[[], npt.NDArray[np.uint8]]]:
    """The pixels of a virtual screen, from its XWD file: a header of big-endian numbers, then rows.

    In the header: its length (0), the bytes of a row (12) and the number of colours (19), each of
    which takes 12 bytes behind it.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as memory:
        header = np.frombuffer(memory[:100], ">u4")
        begin = int(header[0]) + 12 * int(header[19])
        length = int(header[12]) * SIZE[0]

        def look() -> npt.NDArray[np.uint8]:
            rows = np.frombuffer(memory[begin : begin + length], np.uint8)
            return rows.reshape(SIZE[0], -1, 4)[::4, : SIZE[1] : 4, :3]

        yield look


def check(found: dict[str, Any]) -> None:
    assert found["seen"] >= 0.8 * found["changes"] >= 8, found
    # The camera's own pictures are sent and decoded, too: that is not known exactly
    assert DELAY_S * 1e3 - 20 < found["delay_ms"]["mean"] < DELAY_S * 1e3 + 60, found
    assert found["jitter_ms"] < 40, found


def test_a_window_is_seen_with_the_delay_of_the_camera(screen: Path) -> None:
    with pixels_of(screen) as look:
        eye, is_over = LateEye(look), threading.Event()

        def watch() -> None:
            while not is_over.wait(0.004):
                eye.watch()

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            with HttpCamera(draw=eye.draw, rate=30) as camera:
                arguments = ("--source", camera.address, "--seconds", SECONDS, "--json")
                with process("sync-test", *arguments, stdout=subprocess.PIPE) as command:
                    said = command.communicate(timeout=60)[0]
        finally:
            is_over.set()
            watching.join()
    check(json.loads(said))


def test_a_page_is_seen_with_the_delay_of_the_camera() -> None:
    shown = {"": np.zeros((*SIZE, 3), np.uint8), "light": np.full((*SIZE, 3), 200, np.uint8)}
    kind = ""
    eye = LateEye(lambda: shown[kind])
    with (
        chromium() as browser,
        HttpCamera(draw=eye.draw, rate=30) as camera,
        process(
            "sync-test", "--source", camera.address, "--seconds", SECONDS, "--show", "page",
            "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as command,
    ):  # fmt: skip
        assert command.stderr is not None
        address = command.stderr.readline().split()[1]
        with open_page(browser, address) as page:
            while command.poll() is None:
                kind = page.evaluate("document.getElementById('square').className")
                eye.watch()
                page.wait_for_timeout(3)
        assert command.stdout is not None
        found = json.loads(command.stdout.read())
    check(found)
    assert found["clock_error_ms"] < 10


def test_a_camera_that_is_not_there_is_one_line() -> None:
    done = run("sync-test", "--source", "97", "--show", "page")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("affectline: --source 97: camera 97 cannot be opened")
