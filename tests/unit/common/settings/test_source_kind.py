"""Sources are what they are, not what they are spelled like."""

import http.server
import os
import threading
from pathlib import Path

import cv2
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import (
    check_readable,
    is_live,
    is_pipe,
    kind_of,
    source_path,
)
from affectline.common.settings.sources import name_sources, take_as_films
from tests.films import film, picture


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_path_that_exists_is_that_path(here: Path) -> None:
    assert kind_of("07") == kind_of("0") == "camera"
    (here / "07").mkdir()
    film(here / "a.mp4", 3).rename(here / "0")
    assert (kind_of("07"), kind_of("0"), kind_of("1")) == ("pictures", "film", "camera")
    assert [s.name for s in name_sources(["07", "0", "1"])] == ["07", "0", "camera1"]


def test_files_are_told_by_their_first_bytes(here: Path) -> None:
    assert cv2.imwrite("a.png", picture(1))
    Path("a.png").rename("photo.mp4")
    film(here / "a.mp4", 3).rename(here / "film.jpg")
    assert (kind_of("photo.mp4"), kind_of("film.jpg")) == ("pictures", "film")
    assert kind_of("gone.jpg") == "film"


def test_devices_are_cameras() -> None:
    assert kind_of("/dev/video0") == "camera"
    assert is_live("/dev/video63")
    assert kind_of("/dev/null") == "film"


def test_a_file_address_is_its_file_with_percent_signs_decoded(here: Path) -> None:
    film(here / "a film 100%.mp4", 3)
    address = (here / "a film 100%.mp4").as_uri()
    assert "%20" in address
    assert kind_of(address) == "film"
    assert source_path(address) == here / "a film 100%.mp4"
    assert source_path("file://localhost/a%20b.mp4") == Path("/a b.mp4")
    assert not is_live(address)


def test_streams_are_live_and_films_at_an_address_are_not() -> None:
    assert kind_of("s3://bucket/walk.mp4") == "film", "and nobody is asked"
    for stream in ("rtsp://HOST/x", "udp://@:1234", "rtmp://HOST/live.mp4"):
        assert (kind_of(stream), is_live(stream)) == ("stream", True)
    assert kind_of("https://HOST/films/A.MP4?sig=1") == "film"
    assert kind_of("http://127.0.0.1:9/video") == "stream", "nobody there tells otherwise"


@pytest.mark.parametrize(("kind", "body", "length", "expected"), [
    ("video/mp4", b"film", True, "film"),
    ("video/mp2t", b"film", False, "stream"),
    ("multipart/x-mixed-replace; boundary=x", b"--x", False, "stream"),
    ("image/jpeg", b"snapshot", True, "stream"),
    ("application/vnd.apple.mpegurl", b"#EXTM3U\na.ts\n#EXT-X-ENDLIST\n", True, "film"),
    ("application/vnd.apple.mpegurl", b"#EXTM3U\na.ts\n", True, "stream"),
    ("application/x-mpegurl", b"#EXTM3U\n#EXT-X-STREAM-INF:B=1\n/whole\n", True, "film"),
])  # fmt: skip
def test_a_server_says_what_it_has(kind: str, body: bytes, length: bool, expected: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            whole = self.path == "/whole"
            data = b"#EXTM3U\na.ts\n#EXT-X-ENDLIST\n" if whole else body
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if length:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert kind_of(f"http://me:secret@127.0.0.1:{server.server_port}/watch") == expected
        server.shutdown()


def test_an_address_that_no_library_can_take_apart_is_a_stream() -> None:
    assert kind_of("rtsp://admin:p[ss@HOST/x") == "stream"
    assert kind_of("http://admin:pa/s[s@HOST/x") == "stream"


def test_a_pipe_is_a_film_that_is_not_opened_to_find_out(here: Path) -> None:
    os.mkfifo(here / "pipe")
    assert kind_of("pipe") == "film"
    assert is_pipe("pipe")
    assert not is_pipe("gone")
    (source,) = name_sources(["-"])
    assert (source.name, source.kind) == ("stdin", "film")


def test_a_path_that_is_no_utf8_becomes_its_address(here: Path) -> None:
    name = os.fsdecode(b"Zo\xeb")
    Path(name).mkdir()
    (source,) = name_sources([name])
    assert source.source.endswith("/Zo%EB")
    assert source_path(source.source) == here / name
    assert source.kind == "pictures"
    source.model_dump_json()


def test_only_files_and_folders_are_checked_before_they_are_opened(here: Path) -> None:
    film(here / "a.avi", 2)
    os.mkfifo(here / "pipe")
    for source in ("a.avi", ".", "sample", "0", "/dev/video9", "rtsp://host/a", "pipe"):
        check_readable(source)
    with pytest.raises(AffectlineError, match=r"--source b.avi: no such file or directory"):
        check_readable("b.avi")


def test_folders_can_be_taken_for_films(here: Path) -> None:
    (here / "shots").mkdir()
    sources = take_as_films(name_sources(["shots", "a.mp4"]), 12.5)
    assert [(s.as_film, s.kind) for s in sources] == [(12.5, "film"), (None, "film")]
    with pytest.raises(AffectlineError, match="no source is a folder"):
        take_as_films(name_sources(["a.mp4"]), 12.5)
    with pytest.raises(AffectlineError, match="--as-film 0"):
        take_as_films(name_sources(["shots"]), 0)


def test_a_name_that_is_too_long_is_left_as_it_is(here: Path) -> None:
    (source,) = name_sources([f"{'x' * 300}.mp4"])
    assert source.with_whole_path() == source
    with pytest.raises(AffectlineError, match="file name too long"):
        check_readable(source.source)


def test_a_path_where_one_may_not_look_is_left_as_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = name_sources(["closed/film.mp4"])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat", refuse)
    assert source.with_whole_path() == source
