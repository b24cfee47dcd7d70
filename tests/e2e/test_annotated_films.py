"""Annotated films survive a sink that is killed, and browsers play them."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from tests.browsers import chromium, open_page
from tests.pipelines import Pipeline
from tests.unit.services.overlay.test_video_writer import TIMES_MS, make_film, packets

pytestmark = pytest.mark.timeout(200)

PAGE = "<video muted autoplay></video>"
PLAYED = """
(file) => new Promise((resolve) => {
  const video = document.querySelector("video");
  const tell = () => resolve({
    width: video.videoWidth, height: video.videoHeight, at: video.currentTime,
    duration: video.duration, error: video.error ? video.error.message : "",
    heard: video.webkitAudioDecodedByteCount,
  });
  video.onerror = tell;
  video.ontimeupdate = () => { if (video.currentTime > 0.3) tell(); };
  video.src = file;
})
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """A test's server says nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def count_pictures(path: Path) -> int:
    with av.open(str(path)) as film:
        return sum(1 for _ in film.decode(video=0))


def has_pictures(path: Path, count: int) -> bool:
    """Whether a film that is being written has so many pictures by now."""
    try:
        return count_pictures(path) >= count
    except (OSError, av.FFmpegError):  # it has not been begun
        return False


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session whose sink was killed, and the films as they were at that moment."""
    out = tmp_path_factory.mktemp("films") / "out"
    shown = ["--source", "sample", "--rate", "0.5", "--display", "mp4"]
    with Pipeline(out, *shown, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for(lambda _: has_pictures(out / "sample.mp4", 40))
        sink = psutil.Process(pipeline.pids()["sink"])
        pipeline.kill("sink")
        sink.wait(20)
        (out / "killed.bin").write_bytes((out / "sample.mp4").read_bytes())
        summary = pipeline.finish()
    assert summary["restarts"] == {"sink": 1}
    return out


def test_a_killed_sink_leaves_a_film_and_its_successor_writes_another(films: Path) -> None:
    first, second = (films / name for name in ("sample.mp4", "sample+2.mp4"))
    assert first.read_bytes() == (films / "killed.bin").read_bytes(), "nobody has touched it"
    before, after = count_pictures(first), count_pictures(second)
    assert before >= 40, "what could be seen while it was being written"
    assert after >= 10
    assert 80 <= before + after <= 120 + 16, "all but what was on its way"


def test_a_browser_plays_them(films: Path) -> None:
    (films / "page.html").write_text(PAGE)
    with (
        served(films) as url,
        chromium() as browser,
        open_page(browser, f"{url}/page.html") as page,
    ):
        for name in ("sample.mp4", "sample+2.mp4"):
            played = page.evaluate(PLAYED, name)
            assert played["error"] == ""
            assert (played["width"], played["height"]) == (640, 478), name
            assert played["at"] > 0.3
            assert played["duration"] > 0.3, name


def test_a_browser_shows_and_plays_a_film_of_varying_rate_with_its_sound(tmp_path: Path) -> None:
    out = tmp_path / "out"
    film = make_film(tmp_path / "drive.mp4")
    with Pipeline(out, "--source", str(film), "--display", "mp4") as pipeline:
        pipeline.finish()
    path = out / "drive.mp4"
    times = [time for time, _ in packets(path, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=0.0001)
    assert [sound for _, sound in packets(path, "audio")] == [
        sound for time, sound in packets(film, "audio") if time >= 0
    ]
    with av.open(str(path)) as found:
        assert found.streams.video[0].codec_context.name == "h264"
    (out / "page.html").write_text(PAGE)
    with served(out) as url, chromium() as browser, open_page(browser, f"{url}/page.html") as page:
        played = page.evaluate(PLAYED, "drive.mp4")
    assert played["error"] == ""
    assert played["heard"] > 0
    assert played["duration"] == pytest.approx(2.1, abs=0.1)
