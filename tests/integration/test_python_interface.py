"""``import affectline``: a film as a data frame, a session, a pipeline that runs."""

import doctest
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import affectline
from tests.cameras import HttpCamera
from tests.conftest import SHARED
from tests.films import cut, film, picture
from tests.pipelines import free_port, run, up
from tests.recordings import write_recording
from tests.studies import write_study
from tests.timed_films import timed_film

OF_THE_CLOCK = [
    "epoch", "blink_at", "captured_at", "received_at", "detected_at", "classified_at",
    "published_at",
]  # fmt: skip


def test_importing_it_loads_neither_numpy_nor_opencv_nor_a_model() -> None:
    code = (
        "import affectline, sys; affectline.__version__; "
        "print([m for m in ('numpy', 'cv2', 'pandas', 'pydantic', 'zmq', 'ai_edge_litert') "
        "if m in sys.modules], sorted(affectline.__all__) == sorted(set(dir(affectline)) & "
        "set(affectline.__all__)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
    assert all(getattr(affectline, name) for name in affectline.__all__)


@pytest.mark.parametrize("name", ["analyse", "biosignals"])
def test_the_examples_of_the_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"affectline.services.api.{name}")
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_a_film_is_the_table_that_up_writes(tmp_path: Path) -> None:
    path = SHARED / "video" / "smiling_man.mp4"
    if not path.exists():
        pytest.skip("needs ../shared/data/video")
    frames = affectline.analyse(path, progress=False)
    done = up("--source", str(path), "--out", str(tmp_path / "up"), "--json")
    assert done.returncode == 0, done.stderr
    expected = affectline.open_session(tmp_path / "up").emotions
    pd.testing.assert_frame_equal(
        frames.drop(columns=OF_THE_CLOCK), expected.drop(columns=OF_THE_CLOCK)
    )


def test_frames_in_memory_are_those_of_a_film(tmp_path: Path) -> None:
    source = SHARED / "video" / "smiling_man.mp4"
    if not source.exists():
        pytest.skip("needs ../shared/data/video")
    film_reader = cv2.VideoCapture(str(source))
    images = [film_reader.read()[1] for _ in range(20)]
    array = np.stack(images).astype(np.uint8)[:, :, :, ::-1]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(pictures / f"{number:03}.png"), image)
    config = tmp_path / "film.yaml"
    config.write_text(json.dumps({"sources": [{"name": "video", "source": str(pictures),
                                               "as_film": 10}]}))  # fmt: skip
    done = up("--config", str(config), "--out", str(tmp_path / "up"), "--json")
    assert done.returncode == 0, done.stderr
    frames = affectline.analyse(array, rate=10, progress=False)
    expected = affectline.open_session(tmp_path / "up").emotions
    pd.testing.assert_frame_equal(
        frames.drop(columns=OF_THE_CLOCK), expected.drop(columns=OF_THE_CLOCK)
    )
    assert (frames["status"] == "face").sum() > 10


def test_several_films_and_folders_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    film(tmp_path / "a/film.mp4", 3)
    film(tmp_path / "b/film.MP4", 4)
    frames = affectline.analyse(tmp_path, out=tmp_path / "out", progress=False)
    assert frames.groupby("film").size().to_dict() == {"a-film": 3, "b-film": 4}
    assert frames.columns[0] == "film"
    assert (tmp_path / "out/sessions/a-film/session.json").exists()
    (tmp_path / "bad.mkv").write_bytes(b"no film")
    with pytest.warns(RuntimeWarning, match=r"bad\.mkv: not a video"):
        again = affectline.analyse(tmp_path, progress=False)
    assert again.groupby("film").size().to_dict() == {"a-film": 3, "b-film": 4}
    shutil.copy(tmp_path / "bad.mkv", tmp_path / "worse.mkv")
    with pytest.raises(affectline.AffectlineError, match="no film could be analysed"):
        affectline.analyse([tmp_path / "bad.mkv", tmp_path / "worse.mkv"], progress=False)
    once = affectline.analyse([tmp_path / "a/film.mp4", tmp_path / "a"], progress=False)
    assert len(once) == 3  # a film that is named twice is analysed once
    images = [picture(1)[:, :, ::-1]] * 2
    both = affectline.analyse([tmp_path / "a/film.mp4", *images], progress=False)
    assert both["film"].tolist() == ["film"] * 3 + ["array", "array-2"]
    assert both["source"].tolist() == [str(tmp_path / "a/film.mp4")] * 3 + [pd.NA] * 2


def test_a_single_film_or_folder_that_is_not_whole_is_warned_about(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mkv", range(0, 2000, 40), size=(320, 240))
    assert len(affectline.analyse(path, progress=False)) == 50  # without a warning
    cut(path, 0.5)
    for given in (path, [path]):
        with pytest.warns(
            RuntimeWarning, match=r"a\.mkv is truncated: .* bytes are missing"
        ) as all_:
            assert 3 < len(affectline.analyse(given, progress=False)) < 50
        assert [one.filename for one in all_] == [__file__]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(2):
        cv2.imwrite(str(pictures / f"{number}.png"), picture(number))
    cut(pictures / "1.png", 0.5)
    with pytest.warns(RuntimeWarning, match=r"1 of 2 pictures could not be read: 1\.png") as all_:
        assert len(affectline.analyse(pictures, progress=False)) == 1
    assert len(all_) == 1


def test_films_are_told_apart_by_their_paths_whatever_their_names(tmp_path: Path) -> None:
    names = [f"{tmp_path}/cjk/日本.mp4", f"{tmp_path}/cjk/中国.mp4", f"{tmp_path}/a/clip.mp4",
             f"{tmp_path}/b/clip.mp4"]  # fmt: skip
    for count, name in enumerate(names, start=3):
        Path(name).parent.mkdir(exist_ok=True)
        film(Path(name), count)
    frames = affectline.analyse(names, progress=False)
    assert list(frames.columns[:2]) == ["film", "source"]
    assert frames.groupby("source").size().to_dict() == dict(zip(names, (3, 4, 5, 6), strict=True))
    assert frames.groupby("film").size().to_dict().keys() > {"a-clip", "b-clip"}
    cv2.imwrite(str(tmp_path / "face.png"), picture(1))
    mixed = affectline.analyse([*names, tmp_path / "face.png"], progress=False)
    alike = mixed[["film", "source"]].drop_duplicates().set_index("source")["film"]
    assert alike[:4].equals(
        frames[["film", "source"]].drop_duplicates().set_index("source")["film"]
    )
    assert alike[str(tmp_path / "face.png")] == "face"


def test_a_folder_is_analysed_as_the_command_does_it(tmp_path: Path) -> None:
    for name in ("clip.mp4", "y.3gp", "._clip.mp4", ".Trash-1000/files/old.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        film(tmp_path / "clip.mp4", 3)
        if name != "clip.mp4":
            shutil.copy(tmp_path / "clip.mp4", tmp_path / name)
    frames = affectline.analyse(tmp_path, progress=False)
    assert sorted(frames["source"].unique()) == [f"{tmp_path}/clip.mp4", f"{tmp_path}/y.3gp"]
    for name in ("1.png", "2.PNG", "old.rm"):
        shutil.copy(tmp_path / "notes.txt", tmp_path / name)
    text = r"left out: 3 files \(\.png, \.rm\), which are not films"
    with pytest.warns(RuntimeWarning, match=text):
        again = affectline.analyse(tmp_path, progress=False)
    assert len(again) == len(frames) == 6
    done = run("analyse", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "left out: 3 files (.png, .rm), which are not films by their names" in done.stderr


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (np.zeros((2, 8, 8, 3)), r"float64 is neither a video nor a picture: give"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\) of uint8 is neither"),
        (np.zeros((0, 8, 8, 3), np.uint8), "contains no frame"),
        ([], "an empty list"),
        ("no/film.mp4", r"^no/film\.mp4: no such file"),
        (0, r"0: a camera, which never ends: use affectline\.watch\(0\)"),
        (
            "rtsp://me:secret@127.0.0.1/x",
            r"^rtsp://127\.0\.0\.1/\*\*\*: a camera or network stream",
        ),
        (None, "None is neither a film nor a picture: give a path"),
        (b"film.mp4", r"b'film\.mp4' is neither a film nor a picture"),
    ],
)
def test_what_cannot_be_analysed_is_refused_in_one_line(source: Any, problem: str) -> None:
    with pytest.raises(affectline.AffectlineError, match=problem) as error:
        affectline.analyse(source, progress=False)
    assert "\n" not in str(error.value)


VIDEO = np.zeros((2, 48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("source", "rate", "problem"),
    [
        (VIDEO, None, "rate: a video in memory needs its frames a second: for example rate=25"),
        ([VIDEO, "sample"], None, "rate: a video in memory needs"),
        (VIDEO, "30", "rate '30': not a number above 0"),
        (VIDEO, 0, "rate 0: not a number above 0"),
        (VIDEO, True, "rate True: not a number"),
        (VIDEO, np.nan, "rate nan: not a number"),
        (VIDEO[0], 30, r"rate 30: arrays \(H, W, 3\) are single pictures.*: np\.stack\(frames\)"),
        (list(VIDEO), 30, r"rate 30: arrays .* np\.stack\(frames\) makes a video of them"),
        ("film.mp4", 10, r"rate 10: only for videos in memory, .*: 'film\.mp4' has its own times"),
        ([VIDEO, Path("a.png")], 10.5, r"rate 10\.5: only for videos in memory, .*: 'a\.png' has"),
    ],
)
def test_a_rate_is_for_videos_in_memory_and_they_need_one(
    source: Any, rate: Any, problem: str
) -> None:
    with pytest.raises(affectline.AffectlineError, match=problem):
        affectline.analyse(source, rate=rate, progress=False)


def test_one_frame_in_memory_needs_no_rate_and_numpy_has_numbers_too() -> None:
    assert affectline.analyse(VIDEO[:1], progress=False)["time_s"].tolist() == [0]
    rates: tuple[Any, ...] = (np.int64(10), np.float32(10))
    for rate in rates:
        found = affectline.analyse(np.stack(list(VIDEO)), rate=rate, progress=False)
        assert found["time_s"].tolist() == [0, 0.1]


def test_without_pandas_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.common.extras.find_spec", lambda _: None)
    for call in (affectline.analyse, affectline.open_session):
        with pytest.raises(
            affectline.AffectlineError, match=r"pip install 'affectline\[analysis\]"
        ):
            call("film.mp4")


def test_a_session_with_sensors_has_them_in_frames_signals_and_pictures(tmp_path: Path) -> None:
    settings, count = write_study(
        tmp_path, 2, markers=[{"at_s": 1.0, "label": "one"}], study={"fields": {"age": "34"}}
    )
    labels = ("--participant", "07", "--task", "drive", "--condition", "rain")
    done = up("--config", str(settings), *labels, "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    session = affectline.open_session(tmp_path / "out")
    assert len(session.samples()) == count
    heart = session.samples("heart_rate", "anna")
    assert heart["unit"].unique().tolist() == ["/min"]
    assert session.markers["label"].tolist() == ["one"]
    assert session.info["delivery"] == "lossless"
    told = {"participant": "07", "task": "drive", "condition": "rain", "age": "34"}
    assert session.info["study"] == told
    info = run("info", str(tmp_path / "out"), "--json")
    assert json.loads(info.stdout)["study"] == told
    assert (
        "participant 07, task drive"
        in run("report", str(tmp_path / "out")).stdout + (tmp_path / "out/report.html").read_text()
    )
    with pytest.raises(KeyError, match=r"pulse: no signal of session out, which has heart_rate"):
        session.samples("pulse")
    skin = session.to_neurokit()["skin_conductance"]
    assert skin.sampling_rate == 4
    assert skin.events["onset"].tolist() == [4]
    assert session.to_mne()["skin_conductance"].annotations.onset.tolist() == [1.0]


def test_pictures_come_from_the_recording_or_else_from_the_film(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 20)
    affectline.analyse(source, out=tmp_path / "tables", progress=False)
    config = tmp_path / "record.yaml"
    config.write_text("recording: {record: true}")
    affectline.analyse(source, out=tmp_path / "recorded", config=config, progress=False)
    plain, recorded = (affectline.open_session(tmp_path / n) for n in ("tables", "recorded"))
    times = plain.emotions["time_s"].tolist()
    for session in (plain, recorded):
        assert [frame.time_s for frame in session.frames()] == pytest.approx(times, abs=1e-6)
        later, first = session.frames(at=[0.5, 0.0])
        assert later.shape == first.shape == (48, 64, 3)
        assert (session.frames(at=0.5) == later).all()
        assert not (later == first).all()
        with pytest.raises(affectline.AffectlineError, match="no frame at 99 s"):
            session.frames(at=99)
    difference = np.abs(plain.frames(at=0.5).astype(int) - recorded.frames(at=0.5))
    assert difference.mean() < 5, "but for JPEG they are the same"
    source.unlink()
    with pytest.raises(affectline.AffectlineError, match=r"film\.mp4"):
        plain.frames(at=0.0)


def test_pictures_are_never_those_of_another_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    film(tmp_path / "here/a film.mp4", 20)
    affectline.analyse("a film.mp4", out=tmp_path / "session", progress=False)
    session = affectline.open_session(tmp_path / "session")
    expected = session.frames(at=0.5)
    monkeypatch.chdir(tmp_path / "there")
    film(tmp_path / "there/a film.mp4", 30)
    again = affectline.open_session(tmp_path / "session")
    assert (again.frames(at=0.5) == expected).all()
    source = tmp_path / "here/a film.mp4"
    for count, size, why in (
        (20, (80, 60), r"its frames are 80x60, and were 64x48"),
        (200, (64, 48), r"it is 8\.0 s long, and its last frame was at 0\.8 s"),
    ):
        film(source, count, size=size)
        with pytest.raises(affectline.AffectlineError, match=f"is not the film of .*: {why}"):
            affectline.open_session(tmp_path / "session").frames(at=0.5)
    film(source, 15)
    with pytest.raises(affectline.AffectlineError, match=r"has no frame at 0\.6 s"):
        list(affectline.open_session(tmp_path / "session").frames())


def test_pictures_end_with_the_session_and_have_the_size_that_was_analysed(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 90)
    config = tmp_path / "short.yaml"
    config.write_text("capture: {width: 32, rate: 5}")
    done = up("--source", str(source), "--config", str(config), "--duration", "1",
              "--pace", "realtime", "--out", str(tmp_path / "out"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    session = affectline.open_session(tmp_path / "out")
    times = session.emotions["time_s"].tolist()
    assert 0 < len(times) < 15
    frames = list(session.frames())
    assert [frame.time_s for frame in frames] == pytest.approx(times)
    assert {frame.image.shape for frame in frames} == {(24, 32, 3)}


def test_a_time_in_a_session_of_several_streams_needs_one_of_them(tmp_path: Path) -> None:
    for name in ("front", "rear"):
        film(tmp_path / f"{name}.mp4", 10)
    config = tmp_path / "record.yaml"
    config.write_text("recording: {record: true}")
    for more in ((), ("--config", str(config))):
        out = tmp_path / f"out{len(more)}"
        sources = [f"--source={tmp_path / name}.mp4" for name in ("front", "rear")]
        done = up(*sources, *more, "--out", str(out))
        assert done.returncode == 0, done.stderr
        session = affectline.open_session(out)
        with pytest.raises(affectline.AffectlineError, match=r"several streams \(front, rear\)"):
            session.frames(at=0.5)
        with pytest.raises(affectline.AffectlineError, match=r"'side': session out\d has front, r"):
            session.frames(at=0.5, stream="side")
        assert session.frames(at=0.5, stream="rear").shape == (48, 64, 3)


def test_a_recording_alone_is_a_session_too(tmp_path: Path) -> None:
    session = affectline.open_session(write_recording(tmp_path / "drive", frames=8))
    assert session.emotions["status"].tolist() == ["no_face", *["face"] * 3] * 2
    assert session.frames(at=3.0).shape == (96, 128, 3)


def test_a_running_pipeline_is_watched_marked_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    port = free_port()
    hub = f"127.0.0.1:{port}"
    with HttpCamera() as camera:
        config = tmp_path / "camera.yaml"
        config.write_text(f"hub: {{port: {port}}}")
        watched = affectline.watch(camera.address, config=config)
        assert next(watched).seq >= 0
        with pytest.raises(affectline.AffectlineError, match="nothing is being recorded"):
            affectline.stop(hub=hub)
        name = affectline.record("anna", consent="Anna, in writing", hub=hub, participant="07")
        assert name == "anna"
        with pytest.raises(affectline.AffectlineError, match=r"anna is being recorded"):
            affectline.record("ben", hub=hub)
        affectline.mark("hard braking", hub=hub, speed=63.5)
        outside = affectline.watch(f"tcp://127.0.0.1:{port + 1}")
        seen = [next(outside).seq for _ in range(3)]
        outside.close()  # type: ignore[attr-defined]
        affectline.stop(hub=hub)
        assert affectline.record("Anna, again: lunch", hub=hub) == "Anna-again-lunch"
        affectline.stop(hub=hub)
        assert next(watched).seq >= 0
        watched.close()  # type: ignore[attr-defined]
    assert seen == sorted(seen)
    session = affectline.open_session(tmp_path / "sessions/anna")
    assert session.markers["label"].tolist() == ["hard braking"]
    assert session.info["consent"] == "Anna, in writing"
    assert session.info["study"] == {"participant": "07"}
    assert len(session.emotions) >= 3
    assert not [t for t in threading.enumerate() if t.name == "pipeline"]


def test_a_watched_pipeline_ends_the_loop_when_it_ends(tmp_path: Path) -> None:
    port = free_port()
    source = film(tmp_path / "film.mp4", 100)
    command = [sys.executable, "-m", "affectline", "up", "--source", str(source), "--bind",
               str(port), "--pace", "realtime", "--out", str(tmp_path / "out")]  # fmt: skip
    for address in (f"127.0.0.1:{port}", f"tcp://127.0.0.1:{port + 1}"):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as up_:
            seen: list[int] = []
            deadline = time.monotonic() + 60
            while not seen and time.monotonic() < deadline:
                with suppress(affectline.AffectlineError):  # it is not there yet
                    seen += [emotion.seq for emotion in affectline.watch(address)]
        assert seen[-1] == 99
        assert up_.returncode == 0


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(port)


def test_a_hub_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.services.api.live.GONE_S", 1.0)
    port = free_port()
    command = [sys.executable, "-m", "affectline", "hub", "--bind", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as hub:
        try:
            wait_for_port(port)
            killing = threading.Timer(5, hub.kill)
            killing.start()
            with pytest.raises(affectline.AffectlineError, match="is gone, before its streams had"):
                list(affectline.watch(f"tcp://127.0.0.1:{port + 1}"))
            killing.join()
        finally:
            hub.kill()


def test_arguments_are_named_as_in_python(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    for call, says in (
        (lambda: affectline.analyse("sample", out=tmp_path), r"^out .*not an empty folder"),
        (lambda: affectline.analyse("sample", config="nope.yaml"), r"^config nope\.yaml: No such"),
        (lambda: next(affectline.watch(0, config="nope.yaml")), r"^config nope\.yaml: No such"),
        (lambda: affectline.mark("x", hub="lab:http"), r"^hub lab:http: not HOST"),
    ):
        with pytest.raises(affectline.AffectlineError, match=says):
            call()


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    port = free_port()
    for call in (
        lambda: affectline.mark("x", hub=f"127.0.0.1:{port}"),
        lambda: affectline.record("x", hub=f"127.0.0.1:{port}"),
        lambda: next(affectline.watch(f"tcp://127.0.0.1:{port + 1}")),
    ):
        with pytest.raises(affectline.AffectlineError, match="no hub on"):
            call()
    with pytest.raises(affectline.AffectlineError, match="session"):
        affectline.open_session(tmp_path / "nowhere")
    with pytest.raises(affectline.AffectlineError, match="label"):
        affectline.mark("")
    with pytest.raises(affectline.AffectlineError, match=r"study 7: .*: participant, condition"):
        affectline.record("x", participant=7)  # type: ignore[arg-type]


ANY: Any = affectline
"""The interface without its types: people call it without them."""


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: ANY.open_session(None), r"^None: not a path: give a text or a pathlib\.Path"),
        (lambda: ANY.open_session(""), r"^'': an empty path"),
        (lambda: ANY.open_session("nix"), r"^nix: no such file"),
        (lambda: ANY.analyse(""), r"^'': an empty path"),
        (lambda: ANY.analyse(["sample", " "]), r"^' ': an empty path"),
        (lambda: ANY.analyse("sample", config={"detector": {}}), r"^config \{.*: not a path"),
        (lambda: ANY.analyse("sample", out=3), r"^out 3: not a path"),
        (lambda: ANY.analyse("sample", out=""), r"^out '': an empty path"),
        (lambda: next(ANY.watch(None)), r"^None: not a path"),
        (lambda: next(ANY.watch("")), r"^'': an empty path"),
        (lambda: next(ANY.watch(0, config={})), r"^config \{\}: not a path"),
        (lambda: ANY.mark("x", hub=5555), r"^hub 5555: not a text: for example hub='5555'"),
        (lambda: ANY.mark(None), r"^label None"),
        (
            lambda: ANY.mark("x", hub="127.0.0.1:9"),
            r"no hub on .*, or name the hub with hub=\.\.\.",
        ),
        (lambda: ANY.mark("x", hub="a:b"), r"^hub a:b: not .*hub='192\.168\.1\.20:5555'"),
        (lambda: ANY.record(5), r"^session 5: not a text"),
        (lambda: ANY.stop(hub=1), r"^hub 1: not a text"),
    ],
)
def test_arguments_of_another_type_are_said_in_one_line(call: Any, problem: str) -> None:
    with pytest.raises(affectline.AffectlineError, match=problem) as error:
        call()
    assert "--" not in str(error.value)
    assert "FILE" not in str(error.value)


def test_a_session_is_asked_for_what_it_has(tmp_path: Path) -> None:
    session: Any = affectline.open_session(write_recording(tmp_path / "drive", frames=8))
    for at in ("12", ["1"], True, np.nan, [0, None]):
        with pytest.raises(affectline.AffectlineError, match=r"^at .*: not a time: times are"):
            session.frames(at=at)
    for error in (affectline.AffectlineError, KeyError):
        with pytest.raises(error, match=r"heartrate: no signal of session drive, which has "):
            session.samples("heartrate")


def test_films_in_the_folders_of_sessions_are_left_out(tmp_path: Path) -> None:
    film(tmp_path / "films/drive.mp4", 3)
    for name in ("session.json", "session.mcap"):
        folder = tmp_path / "films/results" / name.partition(".")[2]
        for place in (folder, folder / "export"):
            film(place / "drive.mp4", 4)
        (folder / name).touch()
    with pytest.warns(RuntimeWarning, match="left out: 4 films in folders of sessions; name"):
        assert len(affectline.analyse(tmp_path / "films", progress=False)) == 3
    done = run("analyse", str(tmp_path / "films"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "left out: 4 films in folders of sessions" in done.stderr
    one = tmp_path / "films/results/json/drive.mp4"
    assert len(affectline.analyse(one, progress=False)) == 4
    done = run("analyse", "", "--out", str(tmp_path / "again"))
    assert done.returncode == 1, done.stderr
    assert "PATH '': empty: name a film or a folder" in done.stderr


@pytest.mark.parametrize("name", ["x" * 300, f"{'x' * 300}.mp4"])
def test_names_that_are_too_long_are_said_in_one_line(name: str) -> None:
    says = rf"^{name}: file name too long"
    for call in (
        lambda: affectline.analyse(name, progress=False),
        lambda: affectline.analyse([name], progress=False),
        lambda: next(affectline.watch(name)),
    ):
        with pytest.raises(affectline.AffectlineError, match=says):
            call()


def test_what_is_missing_is_said_before_a_pipeline_starts(tmp_path: Path) -> None:
    with pytest.raises(affectline.AffectlineError, match=r"film\.mp4: no such file"):
        next(affectline.watch(tmp_path / "film.mp4"))


def test_warnings_name_the_line_of_the_caller(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", 3)
    (tmp_path / "notes.rm").write_text("no film")
    (tmp_path / "bad.mkv").write_bytes(b"no film")
    folder = tmp_path / "out"
    for given in (tmp_path, [tmp_path], (one for one in [str(tmp_path)])):
        with pytest.warns(RuntimeWarning) as warned:
            affectline.analyse(given, progress=False)
        texts = [str(one.message) for one in warned]
        assert any("left out" in text for text in texts)
        assert any("bad.mkv" in text for text in texts)
        assert {one.filename for one in warned} == {__file__}
    affectline.analyse(tmp_path / "film.mp4", out=folder, progress=False)
    table = folder / "emotions.csv"
    table.write_text(table.read_text() + "1,2\n")
    with pytest.warns(RuntimeWarning, match="1 row was left out") as warned:
        assert len(affectline.open_session(folder).emotions) == 3
    assert {one.filename for one in warned} == {__file__}


def test_the_home_folder_is_found_in_every_kind_of_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "films").mkdir()
    film(tmp_path / "films/x.mp4", 3)
    given: list[str | os.PathLike[str]] = ["~/films", Path("~/films")]
    for one in (given, tuple(given), (one for one in given), given[0], given[1]):
        assert len(affectline.analyse(one, progress=False)) == 3
