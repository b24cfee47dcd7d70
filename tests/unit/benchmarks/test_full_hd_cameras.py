"""Cameras that the benchmarks read are those that are named, or fake ones."""

from pathlib import Path

import pytest
import yaml

from tests.benchmarks.clips import Clip
from tests.benchmarks.full_hd_cameras import FORMATS, count_gaps, find_camera

CLIP = Clip(Path("clip.mp4"), (1920, 1080), 300)


def test_a_camera_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yuyv, _ = FORMATS
    monkeypatch.setenv(yuyv.variable, "7")
    opener = find_camera(yuyv)
    assert not isinstance(opener, str)
    with opener(CLIP, tmp_path) as camera:
        config, duration = camera.arguments
        assert camera.environment == {}
        assert camera.count_lost() == 0
    settings = yaml.safe_load(Path(config.removeprefix("--config=")).read_text(encoding="utf-8"))
    assert settings["sources"] == [{"name": "camera", "source": "7"}]
    assert settings["capture"]["camera_width"] == 1920
    assert duration == "--duration=10"


def test_without_any_camera_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.full_hd_cameras.FAKE", "tests.no_such_camera")
    _, mjpeg = FORMATS
    monkeypatch.delenv(mjpeg.variable, raising=False)
    said = find_camera(mjpeg)
    assert said == "no camera here gives MJPEG; AFFECTLINE_BENCH_MJPEG=INDEX names one"


def test_frames_that_the_driver_lost_are_gaps_in_its_numbers() -> None:
    assert count_gaps([]) == 0
    assert count_gaps([30, 31, 32]) == 0
    assert count_gaps([30, 32, 35]) == 3
