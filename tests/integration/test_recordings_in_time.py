"""What is made of recordings lies on the session's time line: replays, exports, markers."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from affectline.common.clock import monotonic
from affectline.common.recording.reader import SessionReader
from affectline.common.settings.hub import HubSettings
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, Marker, StreamEnd, StreamStart
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.timeseries import read_series
from tests.conftest import SHARED
from tests.old_recordings import FRAMES, START, write_old_recording
from tests.pipelines import Pipeline, free_port, listening, process, run, up

pytestmark = pytest.mark.timeout(300)
PICTURES, STEP_S, LAST_S = 472, 10.0, 19.644625
"""The shared case: both signals step up at 10 s of a film of 19.6 s."""
CASE = SHARED.parent / "cases" / "film_and_sensors"
FRAME_S = 1 / 23.976
Series = list[tuple[float, float]]
"""Seconds of the session, and values."""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The shared case, analysed as fast as it goes and recorded."""
    film = SHARED / "video" / "expressive_woman.mp4"
    if not (CASE / "study.yaml").exists() or not film.exists():
        pytest.skip("../shared/cases or ../shared/data/video is not here")
    folder = tmp_path_factory.mktemp("drive")
    text = (CASE / "study.yaml").read_text()
    for name, path in (
        ("../shared/data/video/expressive_woman.mp4", film),
        ("../shared/cases/film_and_sensors/sensors.csv", CASE / "sensors.csv"),
    ):
        text = text.replace(name, str(path))
    settings = folder / "study.yaml"
    settings.write_text(text.replace("report: true", "report: false"))
    out = folder / "drive"
    done = up("--config", str(settings), "--pace", "fast", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    yield out
    shutil.rmtree(folder, ignore_errors=True)


def read(session: Path) -> tuple[int, list[Message]]:
    """Start of a session, and its messages."""
    with SessionReader(session) as reader:
        start = reader.session_start
        assert start is not None
        return start, [codec.decode(recorded.parts).message for recorded in reader.messages()]


def recorded_series(session: Path) -> dict[str, Series]:
    start, messages = read(session)
    found: dict[str, Series] = {}
    for message in messages:
        if isinstance(message, Samples):
            seconds = [(at - start) / 1e9 for at in sample_times(message)]
            series = zip(seconds, message.values, strict=True)
            found.setdefault(message.signal, []).extend(series)
    return found


def check(found: dict[str, Series]) -> None:
    """All samples are there, and both step up at 10 s, within a frame."""
    with (CASE / "sensors.csv").open(newline="") as file:
        cells = [cell for _, *row in list(csv.reader(file))[1:] for cell in row]
    assert sum(map(len, found.values())) == len([cell for cell in cells if cell])
    assert len(found) == 2
    for series in found.values():
        lowest, highest = (f(value for _, value in series) for f in (min, max))
        step_s = next(at for at, value in series if value > (lowest + highest) / 2)
        assert step_s == pytest.approx(STEP_S, abs=FRAME_S)


def replayed(session: Path, out: Path, *options: str) -> Path:
    arguments = ("--out", str(out), "--record", "--json", "--port", str(free_port()))
    done = run("replay", str(session), *options, *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == PICTURES
    return out


def test_info_tells_the_length_of_the_film(drive: Path) -> None:
    about = json.loads(run("info", str(drive), "--json").stdout)
    assert about["times"] == "session time line"
    assert about["seconds"] == pytest.approx(LAST_S)
    assert (about["first_s"], about["zero"]) == (0, about["session_start"])
    (row,) = json.loads(run("sessions", str(drive.parent), "--json").stdout)
    assert row["seconds"] == pytest.approx(LAST_S)


@pytest.mark.parametrize("rate", ["4", "max"])
def test_a_replay_has_the_same_time_line_at_any_rate(
    drive: Path, tmp_path: Path, rate: str
) -> None:
    out = replayed(drive, tmp_path / "out", "--rate", rate)
    check(recorded_series(out))
    before, after = read(drive), read(out)
    assert before[0] == after[0]
    for kind in (Emotion, Samples, State):
        was, now = ([m for m in messages if isinstance(m, kind)] for _, messages in (before, after))
        assert was == now
        assert was


def test_a_replay_takes_the_film_s_own_time(drive: Path) -> None:
    hub = HubSettings(port=free_port())
    arguments = ("--rate", "8", "--from", "2s", "--topics", "emotion/,stream/")
    heard: list[tuple[float, Emotion]] = []
    with (
        listening(hub) as listener,
        process("replay", str(drive), *arguments, "--port", str(hub.port)) as player,
    ):
        while listener.wait(timeout_s=20):
            packets = list(listener.receive())
            heard += [(monotonic(), p.message) for p in packets if isinstance(p.message, Emotion)]
            if any(isinstance(p.message, StreamEnd) for p in packets):
                break
        assert player.wait(timeout=30) == 0
    (begun, first), (ended, last) = heard[0], heard[-1]
    assert first.media_time == pytest.approx(2e9, abs=FRAME_S * 1e9)
    assert last.media_time == pytest.approx(LAST_S * 1e9, abs=1e6)
    # Never sooner; where the machine is busy a little later, but much sooner than it was recorded
    assert (LAST_S - 2) / 8 - 0.1 < ended - begun < (LAST_S - 2) / 2


def test_a_reanalysis_gives_the_same_states(drive: Path, tmp_path: Path) -> None:
    out = replayed(drive, tmp_path / "out", "--rate", "max", "--reanalyse")
    check(recorded_series(out))
    (_, before), (_, after) = read(drive), read(out)
    # Who is seen gets a name with the first samples, which may come after the first frames
    was, now = (
        [(m.at, m.arousal, m.nervousness, m.signals) for m in messages if isinstance(m, State)]
        for messages in (before, after)
    )
    assert was == now
    faces = [
        [(m.captured_at, [face.probabilities for face in m.faces]) for m in messages
         if isinstance(m, Emotion)]
        for messages in (before, after)
    ]  # fmt: skip
    assert faces[0] == faces[1]


def export(session: Path, form: str, out: Path) -> Path:
    done = run("export", str(session), "--to", form, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def series_of(rows: list[dict[str, Any]], start: int) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for row in rows:
        second = (int(row["at"]) - start) / 1e9
        found.setdefault(row["signal"], []).append((second, float(row["value"])))
    return found


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_exported_tables_have_both_steps_in_their_place(
    drive: Path, tmp_path: Path, form: str
) -> None:
    out = export(drive, form, tmp_path)
    start, _ = read(drive)
    if form == "csv":
        with (out / "samples.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        rows = pq.read_table(out / "samples.parquet").to_pylist()
    check(series_of(rows, start))


def test_an_xdf_file_is_as_long_as_the_film(drive: Path, tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    (path,) = export(drive, "xdf", tmp_path).glob("*.xdf")
    streams, _ = pyxdf.load_xdf(str(path))
    start, _ = read(drive)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    found = {
        name: [(at - start / 1e9, float(value)) for at, (value,) in
               zip(stream["time_stamps"], stream["time_series"], strict=True)]
        for name, stream in by_name.items()
        if name in ("anna heart_rate", "anna skin_conductance")
    }  # fmt: skip
    check(found)
    times = by_name["front emotion"]["time_stamps"]
    assert times[-1] - times[0] == pytest.approx(LAST_S, abs=1e-3)


def test_the_annotated_video_has_every_frame_at_its_time(drive: Path, tmp_path: Path) -> None:
    path = export(drive, "mp4", tmp_path) / "front.mp4"
    with av.open(str(path)) as film:
        times = [float(frame.time or 0) for frame in film.decode(video=0)]
    _, messages = read(drive)
    media = [(m.media_time or 0) / 1e9 for m in messages if isinstance(m, Emotion)]
    assert times == pytest.approx(media, abs=1e-4)


def test_a_report_is_about_the_time_of_the_film(drive: Path) -> None:
    series = read_series(open_recording(drive).read())
    start, _ = read(drive)
    assert series.seconds == pytest.approx(LAST_S, abs=FRAME_S)
    found = {
        name: [((at - start) / 1e9, value) for at, value in
               zip(one.times.tolist(), one.values.tolist(), strict=True)]
        for name, one in series.series.items()
        if name in ("anna heart_rate", "anna skin_conductance")
    }  # fmt: skip
    check(found)


def test_a_marker_that_is_set_while_a_film_plays_is_about_that_frame(
    clips: Path, tmp_path: Path
) -> None:
    source = ("--source", f"front={clips / 'expressive_woman.mp4'}", "--pace", "realtime")
    prefixes = ("emotion/", "marker/", "stream/")
    with Pipeline(tmp_path / "out", *source, prefixes=prefixes) as pipeline:
        pipeline.wait_for_frame(48)
        hub = f"127.0.0.1:{pipeline.hub.port}"
        done = run("mark", "now", "--hub", hub)
        assert done.returncode == 0, done.stderr
        newest = 0
        for packet in pipeline.messages(timeout_s=20):
            if isinstance(packet.message, Emotion):
                newest = packet.message.captured_at
            if isinstance(packet.message, Marker):
                break
        else:
            raise AssertionError("no marker is heard")
        marker = packet.message
        assert newest - 10**9 < marker.at <= newest + 10**9
        assert "s of front (" in done.stdout
        pipeline.interrupt()


def test_an_old_recording_is_replayed_reanalysed_reported_and_exported(tmp_path: Path) -> None:
    old = write_old_recording(tmp_path / "old")
    assert "clock of arrival" in run("info", str(old)).stdout
    for options in (("--rate", "max"), ("--rate", "max", "--reanalyse")):
        out = tmp_path / options[-1]
        common = ("--record", "--out", str(out), "--port", str(free_port()))
        done = run("replay", str(old), *options, *common)
        assert done.returncode == 0, done.stderr
        start, messages = read(out)
        assert start == START
        assert len([m for m in messages if isinstance(m, Emotion)]) == FRAMES
        begun = next(m for m in messages if isinstance(m, StreamStart))
        assert begun.session_start == START
        assert begun.replay
    done = run("report", str(old))
    assert done.returncode == 0, done.stderr
    for form in ("csv", "xdf", "mp4"):
        export(old, form, tmp_path / form)
        assert list((tmp_path / form).iterdir())
