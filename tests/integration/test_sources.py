"""Sources as people have them, from the command line to the summary."""

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import psutil
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, StreamEnd, StreamStart
from affectline.services.capture.film_source import FilmSource
from tests.films import film
from tests.pipelines import AFFECTLINE, free_port, up
from tests.timed_films import join, timed_film
from tests.unit.services.capture.test_pictures import claimed_png

Result = tuple[int, dict[str, Any], str]


def analyse(tmp_path: Path, source: str | Path, *arguments: str, **options: Any) -> Result:
    """Exit code, the one stream's part of the summary, and what was said."""
    out = str(tmp_path / "out")
    done = up("--source", str(source), "--json", "--out", out, *arguments, **options)
    assert "Traceback" not in done.stderr
    summary = json.loads(done.stdout)
    assert summary["restarts"] == {}
    (stream,) = summary["streams"].values()
    return done.returncode, stream, done.stderr


class Recorded(NamedTuple):
    """What was published about the one stream of a run."""

    start: StreamStart
    emotions: list[Emotion]
    end: StreamEnd
    said: str


def record(tmp_path: Path, *arguments: str | Path) -> Recorded:
    """Run a pipeline to its end, and read what it recorded."""
    out = tmp_path / "out"
    done = up(*map(str, arguments), "--json", "--record", "--out", str(out))
    assert done.returncode == 0, done.stderr
    with SessionReader(out / FILE) as reader:
        packets = [codec.decode(message.parts) for message in reader.messages()]
    messages = [packet.message for packet in packets]
    (start,) = [m for m in messages if isinstance(m, StreamStart)]
    ends = [m for m in messages if isinstance(m, StreamEnd)]
    emotions = {m.seq: m for m in messages if isinstance(m, Emotion)}
    return Recorded(start, [emotions[seq] for seq in sorted(emotions)], ends[-1], done.stderr)


@pytest.fixture(scope="module")
def pictures(cases: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of pictures as real people have them."""
    folder = tmp_path_factory.mktemp("pictures")
    capture = cv2.VideoCapture(str(clips / "smiling_man.mp4"))
    cv2.imwrite(str(folder / "face.png"), capture.read()[1])
    capture.release()
    command = [sys.executable, str(cases / "make_pictures.py"), str(folder / "face.png")]
    subprocess.run([*command, str(folder)], check=True)
    return folder


@pytest.mark.parametrize(("name", "frames"), [
    ("begins_late.ts", 60), ("still_for_two_seconds.mkv", 60), ("variable_rate.webm", 30),
])  # fmt: skip
def test_whole_films_are_not_called_truncated(
    cases: Path, tmp_path: Path, name: str, frames: int
) -> None:
    code, stream, said = analyse(tmp_path, cases / name)
    assert (code, said, stream["end"], stream["frames"]) == (0, "", "end", frames)


def test_one_picture_that_claims_too_much_is_passed_over(pictures: Path, tmp_path: Path) -> None:
    code, stream, said = analyse(tmp_path, pictures / "one_claims_50000_pixels")
    assert (code, stream["end"], stream["frames_with_face"]) == (1, "damaged", 2)
    assert "1 of 3 pictures could not be read: b.png (claims to be too large)" in said
    assert stream["detail"] in said


def test_a_name_that_is_no_utf8_is_no_obstacle(pictures: Path, tmp_path: Path) -> None:
    folder = pictures / "one_has_a_latin1_name"
    start, emotions, end, _ = record(tmp_path, "--source", str(folder))
    assert start.kind == "pictures"
    assert [e.file for e in emotions] == ["a.png", r"b_Zo\xeb.png", "c.png"]
    assert all(len(e.faces) == 1 for e in emotions)
    assert end.reason == "end"


def test_a_damaged_one_with_such_a_name_is_named(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    shutil.copytree(pictures / "one_has_a_latin1_name", folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/d_\xe9.jpg")).write_bytes(claimed_png(70_000, 10))
    code, stream, said = analyse(tmp_path, folder)
    assert (code, stream["frames"]) == (1, 3)
    assert r"1 of 4 pictures could not be read: d_\xe9.jpg" in said


def test_a_folder_whose_name_is_no_utf8(pictures: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Zo\xeb"))
    shutil.copytree(pictures / "one_is_cut_off", folder)
    code, stream, _ = analyse(tmp_path, folder)
    assert (code, stream["frames_with_face"]) == (1, 2)


def test_what_is_left_out_is_named_and_every_ending_is_read(pictures: Path, tmp_path: Path) -> None:
    code, stream, said = analyse(tmp_path, pictures / "mixed_endings")
    assert (code, stream["end"], stream["frames_with_face"]) == (0, "end", 7)
    assert "2 files left out: f.heic, notes.txt" in said


def test_a_picture_that_is_cut_off_is_not_judged(pictures: Path, tmp_path: Path) -> None:
    code, stream, said = analyse(tmp_path, pictures / "one_is_cut_off")
    assert (code, stream["end"], stream["frames_with_face"]) == (1, "damaged", 2)
    assert "b.jpg (cut off)" in said


def test_photographs_are_no_film(pictures: Path, tmp_path: Path) -> None:
    start, emotions, _, _ = record(tmp_path, "--source", str(pictures / "photographs"))
    assert (start.kind, start.live, start.rate) == ("pictures", False, None)
    assert [e.file for e in emotions] == [f"photo{i:02d}.jpg" for i in range(12)]
    assert [e.media_time for e in emotions] == [None] * 12
    for emotion in emotions:
        (face,) = emotion.faces
        assert face.track == 1, "each by itself"
        assert face.probabilities == face.frame_probabilities, "not smoothed"
        assert face.label


def test_photographs_are_a_film_where_that_is_said(pictures: Path, tmp_path: Path) -> None:
    source = ("--source", str(pictures / "photographs"), "--as-film", "4")
    start, emotions, _, _ = record(tmp_path, *source)
    assert (start.kind, start.rate, start.duration_s) == ("film", 4, 3)
    assert [e.media_time for e in emotions] == [i * 250_000_000 for i in range(12)]
    assert {e.file for e in emotions} == {None}
    assert [e.captured_at - start.started_at for e in emotions] == [e.media_time for e in emotions]


def test_extreme_pictures_stop_nothing(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    shutil.copy(pictures / "face.png", folder / "z.png")
    face = cv2.imread(str(pictures / "face.png"))
    assert face is not None
    for name, size in {"a.png": (65_600, 2), "b.png": (60_000, 2), "c.png": (2, 60_000),
                       "d.png": (1, 1), "e.png": (30_000, 40)}.items():  # fmt: skip
        assert cv2.imwrite(str(folder / name), cv2.resize(face, size))
    code, stream, said = analyse(tmp_path, folder)
    assert (code, stream["frames"], stream["frames_with_face"]) == (1, 5, 1)
    assert "a.png (65600 x 2 pixels, but at most 65500 can be sent as jpeg)" in said


def test_a_single_photograph_is_turned_upright_and_searched(pictures: Path, tmp_path: Path) -> None:
    start, (emotion,), _, _ = record(tmp_path, "--source", str(pictures / "face.png"))
    assert (start.kind, emotion.file, len(emotion.faces)) == ("pictures", "face.png", 1)


@pytest.mark.parametrize("way", ["fifo", "stdin"])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, way: str) -> None:
    data = timed_film(tmp_path / "a.ts", range(0, 4000, 40)).read_bytes()
    if way == "stdin":
        command = [*AFFECTLINE, "up", "--json", "--port", str(free_port()), "--source", "-"]
        done = subprocess.run(
            [*command, "--out", str(tmp_path / "out")], input=data, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        stream = json.loads(done.stdout)["streams"]["stdin"]
    else:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(data,))
        writer.start()
        code, stream, _ = analyse(tmp_path, fifo)
        writer.join()
        assert code == 0
    assert (stream["frames"], stream["end"], sum(stream["skipped"].values())) == (100, "end", 0)


class Films:
    """A web server with a film, for whoever knows the password."""

    def __init__(self, folder: Path) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.headers.get("Authorization", "").startswith("Basic "):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="films"')
                    self.end_headers()
                    return
                data = (folder / "film.mp4").read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    return

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Films":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("place", ["film.mp4", "watch?user=me&token=s3cr3t"])
def test_a_film_at_an_address_is_a_film(tmp_path: Path, place: str) -> None:
    film(tmp_path / "film.mp4", 120)
    with Films(tmp_path) as films:
        address = f"http://me:s3cr3t@127.0.0.1:{films.port}/{place}"
        code, stream, said = analyse(tmp_path, address)
    assert (code, stream["end"], stream["frames"], stream["skipped"]) == (0, "end", 120, {})
    assert "s3cr3t" not in said
    for path in (tmp_path / "out").iterdir():
        assert b"s3cr3t" not in path.read_bytes(), path


def test_a_film_that_a_server_cannot_send_in_parts_is_to_be_downloaded(
    tmp_path: Path, clips: Path
) -> None:
    shutil.copy(clips / "smiling_man.mp4", tmp_path / "film.mp4")  # its index is at its end
    with Films(tmp_path) as films:
        address = f"http://me:s3cr3t@127.0.0.1:{films.port}/film.mp4"
        with pytest.raises(AffectlineError) as raised:
            FilmSource("film", address, live=False)
    assert "has no readable frame (" in str(raised.value)
    assert "download it, and name the file" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


def test_a_file_address_with_percent_signs(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 30).rename(tmp_path / "a film 100%.mp4")
    code, stream, _ = analyse(tmp_path, path.as_uri())
    assert (code, stream["frames"], stream["end"]) == (0, 30, "end")


def test_a_folder_called_by_a_number_is_no_camera(tmp_path: Path, pictures: Path) -> None:
    shutil.copytree(pictures / "one_is_cut_off", tmp_path / "07")
    (tmp_path / "07" / "b.jpg").unlink()
    code, stream, _ = analyse(tmp_path, "07", cwd=tmp_path)
    assert (code, stream["frames_with_face"]) == (0, 2)


def test_an_hour_between_two_joined_films_is_not_waited_for(tmp_path: Path) -> None:
    first = timed_film(tmp_path / "a.ts", range(0, 1000, 40))
    second = timed_film(tmp_path / "b.ts", range(3_600_000, 3_601_000, 40))
    path = join(tmp_path / "joined.ts", first, second)
    start, emotions, end, said = record(tmp_path, "--source", str(path), "--pace", "realtime")
    assert len(emotions) == 50
    assert emotions[-1].captured_at - start.started_at == pytest.approx(1.96e9, abs=1e7)
    assert (end.reason, "1 jump in its time stamps closed up" in end.detail) == ("end", True)
    assert "a jump by +3599.000 s at 1.000 s" in said


def test_a_film_plays_faster_at_a_rate(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 200)
    _, emotions, _, _ = record(tmp_path, "--source", str(path), "--rate", "4")
    took_s = (emotions[-1].received_at - emotions[0].received_at) / 1e9
    assert took_s == pytest.approx(199 / 25 / 4, rel=0.2)
    done = up("--source", str(path), "--rate", "4", "--pace", "fast")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--rate 4 with --pace fast" in done.stderr


def test_a_film_begins_when_its_container_says(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mp4", range(0, 1000, 40), created="2026-11-28T09:15:00Z")
    settings = tmp_path / "study.yaml"
    settings.write_text(f"sources: [{{name: film, source: {path}, start: file, offset: 2}}]\n")
    start, emotions, _, _ = record(tmp_path, "--config", str(settings))
    assert start.started_at == start.session_start == 1_795_857_302 * 10**9
    assert emotions[-1].captured_at == start.started_at + 960_000_000


def test_without_such_a_time_it_is_refused(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mkv", range(0, 400, 40))
    settings = tmp_path / "study.yaml"
    settings.write_text(f"sources: [{{name: film, source: {path}, start: file}}]\n")
    done = up("--config", str(settings), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "start: file: a.mkv: its container holds no creation time" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def shown_by_ps() -> Iterator[dict[int, str]]:
    """What ``ps`` shows of each process at last: a command hides what it was given."""
    seen: dict[int, str] = {}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    seen[child.pid] = " ".join(child.cmdline())

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield seen
    stop.set()
    watcher.join()


@pytest.mark.parametrize("address", [
    "rtsp://admin:s3cr@t9@127.0.0.1:9/x", "rtsp://admin:s3cr/t9@127.0.0.1:9/x",
    "http://127.0.0.1:9/v.cgi?user=admin&pwd=s3crt9",
    "rtsp://127.0.0.1:9/user=admin&password=s3crt9&channel=1",
])  # fmt: skip
def test_a_camera_that_does_not_answer_leaves_no_password(
    tmp_path: Path, address: str, shown_by_ps: dict[int, str]
) -> None:
    options = ["--display", "none", "--record", "--json", "--log-level", "debug"]
    done = up("--source", address, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert "no answer" in done.stderr
    assert len(shown_by_ps) >= 5
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    traces = [done.stderr, done.stdout, *shown_by_ps.values(), *map(str, tmp_path.rglob("*"))]
    traces += [path.read_bytes().decode("latin-1") for path in left]
    for path in left:
        with SessionReader(path) as reader:
            traces.append(str(reader.about))
    for part in ("s3cr", "t9", "admin", "pwd=", "password="):
        assert not any(part in trace for trace in traces)
