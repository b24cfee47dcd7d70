"""Analysis in one process gives what ``affectline up`` gives, to the last digit."""

import csv
import json
import os
import signal
import threading
from pathlib import Path

import cv2
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import name_sources
from affectline.common.wire.messages import Emotion, Packet
from affectline.services.analysis.direct_run import DirectRun, why_not_direct
from affectline.services.supervisor.plan import complete
from tests.conftest import SHARED
from tests.films import film, picture
from tests.pipelines import up

OF_THE_CLOCK = ("epoch", "blink_at", "at")
"""Columns, beside those that end in ``_at``, that tell when it was analysed."""


def settings_for(source: Path, out: Path, **more: object) -> PipelineSettings:
    settings = PipelineSettings(sources=name_sources([str(source)]))
    sink = settings.sink.model_copy(update={"out": out})
    return complete(settings.model_copy(update={"sink": sink, **more}))


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in OF_THE_CLOCK and not k.endswith("_at")}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("clip", ["expressive_woman", "no_face"])
def test_a_film_gives_the_tables_of_up(clip: str, tmp_path: Path) -> None:
    path = SHARED / "video" / f"{clip}.mp4"
    if not path.exists():
        pytest.skip("needs ../shared/data/video")
    DirectRun(settings_for(path, tmp_path / "here")).run()
    done = up("--source", str(path), "--out", str(tmp_path / "up"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(rows(tmp_path / "here", "emotions"))
    for name in ("emotions", "states"):
        assert rows(tmp_path / "here", name) == rows(tmp_path / "up", name)


def test_pictures_of_a_folder_are_analysed_each_by_itself(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.jpg"):
        cv2.imwrite(str(pictures / name), picture(1))
    (pictures / "c.jpg").write_bytes(b"\xff\xd8\xff no picture")
    DirectRun(settings_for(pictures, tmp_path / "out")).run()
    assert {row["file"] for row in rows(tmp_path / "out", "emotions")} == {"a.png", "more/b.jpg"}
    (stream,) = json.loads((tmp_path / "out/session.json").read_text())["streams"].values()
    assert "c.jpg" in stream["detail"]


def test_the_caller_s_umask_threads_and_opencv_are_as_before(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 10)
    before = os.umask(0o022)
    cv2.setNumThreads(2)
    try:
        DirectRun(settings_for(source, tmp_path / "out")).run()
        assert os.umask(0o022) == 0o022
        assert cv2.getNumThreads() == 2
    finally:
        os.umask(before)
    assert (tmp_path / "out/emotions.csv").stat().st_mode & 0o077 == 0
    assert not [t for t in threading.enumerate() if t.name in ("worker", "reader")]


def test_what_cannot_be_read_is_said_and_leaves_no_thread(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"no film")
    with pytest.raises(AffectlineError, match=r"film\.mp4"):
        DirectRun(settings_for(source, tmp_path / "out")).run()
    assert not [t for t in threading.enumerate() if t.name == "worker"]


def test_after_an_interruption_what_was_analysed_is_there(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 200)

    def interrupt(packet: Packet) -> None:
        if isinstance(packet.message, Emotion) and packet.message.seq == 50:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        DirectRun(settings_for(source, tmp_path / "out"), interrupt).run()
    analysed = len(rows(tmp_path / "out", "emotions"))
    assert 50 <= analysed < 200
    (stream,) = json.loads((tmp_path / "out/session.json").read_text())["streams"].values()
    assert stream["frames"] == analysed


@pytest.mark.parametrize(
    ("settings", "obstacle"),
    [
        (PipelineSettings(sources=name_sources(["0"])), "camera"),
        (PipelineSettings(services={"lsl": {}}), "lsl"),
        (PipelineSettings.model_validate({"sink": {"display": "window"}}), "window"),
        (PipelineSettings.model_validate(
            {"biometrics": [{"driver": "ble", "subject": "anna"}]}), "sensor"),
    ],
)  # fmt: skip
def test_what_needs_processes_of_its_own_is_refused(
    settings: PipelineSettings, obstacle: str
) -> None:
    assert obstacle in (why_not_direct(settings) or "")
    with pytest.raises(AffectlineError, match=obstacle):
        DirectRun(settings)
