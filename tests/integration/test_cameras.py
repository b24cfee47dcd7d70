"""Cameras, as a program finds them at a USB port and in the network: from their bytes to results.

What a camera has compressed is passed on as it is; what it has not is compressed once, without a
way through BGR.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.common.wire import codec
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Frame
from affectline.services.capture.sources import open_source
from tests.cameras import HttpCamera
from tests.fake_camera import (
    DEVICE,
    FakeCamera,
    cut_off,
    motion_jpeg,
    obstacle,
    packed,
    scaled_film,
    without_tables,
)
from tests.pipelines import Pipeline, run

Bgr = NDArray[np.uint8]
FULL_HD: Final = (1920, 1080)
SMALL: Final = (640, 480)
RATE: Final = 15


class Published(NamedTuple):
    """A frame as it was recorded."""

    frame: Frame
    data: bytes

    @property
    def image(self) -> Bgr:
        if self.frame.encoding == "raw":
            shape = self.frame.height, self.frame.width, 3
            return np.frombuffer(self.data, np.uint8).reshape(shape)
        image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return np.asarray(image, dtype=np.uint8)


class Run(NamedTuple):
    """What a run of a camera has recorded."""

    frames: list[Published]
    results: list[Emotion]
    health: list[Health]
    """Of the process that reads the camera."""


@pytest.fixture
def camera(tmp_path: Path) -> FakeCamera:
    if reason := obstacle():
        pytest.skip(reason)
    return FakeCamera(tmp_path / "camera", RATE)


@pytest.fixture(scope="module")
def shots(clips: Path) -> list[Bgr]:
    """Frames of a person, in full HD."""
    return list(scaled_film(clips / "expressive_woman.mp4", FULL_HD, 8))


def shrunk(images: list[Bgr], size: tuple[int, int] = SMALL) -> list[Bgr]:
    return [np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA), np.uint8) for i in images]


def settings_file(folder: Path, **capture: Any) -> str:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({"capture": capture}))
    return str(path)


def pipeline(
    folder: Path, camera: FakeCamera, source: str = FakeCamera.source, **capture: Any
) -> Pipeline:
    """A pipeline that records a camera.

    Args:
        folder: For its files.
        camera: What it finds.
        source: How the camera is named.
        capture: Settings of the capture process.
    """
    arguments = [
        "--config", settings_file(folder, **capture), "--source", f"cam={source}",
        "--delivery", "live", "--record", "--display", "none",
    ]  # fmt: skip
    return Pipeline(
        folder / "out", *arguments, prefixes=("emotion/", "health/"),
        environment=camera.environment(),
    )  # fmt: skip


def recorded(folder: Path) -> Run:
    with SessionReader(folder / "out" / FILE) as reader:
        packets = [codec.decode(message.parts) for message in reader.messages()]
    frames = [
        Published(p.message, bytes(p.parts[0])) for p in packets if isinstance(p.message, Frame)
    ]
    messages = [packet.message for packet in packets]
    return Run(
        frames,
        [m for m in messages if isinstance(m, Emotion)],
        [m for m in messages if isinstance(m, Health) and m.service == "capture/cam"],
    )


def run_camera(
    folder: Path,
    camera: FakeCamera,
    source: str = FakeCamera.source,
    frames: int = 16,
    **capture: Any,
) -> Run:
    """Run a pipeline until so many frames have their results; return what it has recorded."""
    with pipeline(folder, camera, source, **capture) as started:
        started.wait_for_frame(frames)
        assert started.interrupt() == 130
        assert "Traceback" not in started.log()
    done = recorded(folder)
    assert len(done.frames) > frames - 3, "the newest frame wins, but almost all are seen"
    assert sum(len(result.faces) == 1 for result in done.results) > frames // 2
    return done


def difference(one: Bgr, other: Bgr) -> float:
    """Mean absolute difference of their colours."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def nearest(image: Bgr, images: list[Bgr]) -> float:
    """How far an image is from that of several which it shows."""
    return min(difference(image, other) for other in images)


def in_order(numbers: list[int], count: int) -> bool:
    """Whether frames are those of a camera that begins anew after so many, in its order."""
    steps = [(b - a) % count for a, b in pairwise(numbers)]
    return all(0 < step <= count // 2 for step in steps)


@pytest.mark.parametrize("source", [FakeCamera.source, DEVICE])
def test_what_a_camera_has_compressed_is_passed_on_to_the_byte(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr], source: str
) -> None:
    sent = list(motion_jpeg(shots))
    camera.give("MJPG", FULL_HD, sent)
    camera.give("YUYV", SMALL, packed(shrunk(shots)))
    done = run_camera(tmp_path, camera, source, camera_width=1920)
    known = {data.rstrip(b"\0"): number for number, data in enumerate(sent)}
    numbers = [known[without_tables(one.data)] for one in done.frames]
    assert in_order(numbers, len(sent))
    assert {one.image.shape for one in done.frames} == {(1080, 1920, 3)}
    whole = [data.rstrip(b"\0") for data in motion_jpeg(shots, tables=True)]
    for number, one in list(zip(numbers, done.frames, strict=True))[:3]:
        assert np.array_equal(one.image, one._replace(data=whole[number]).image)


def test_tables_of_the_camera_s_own_stay_and_cut_off_frames_are_counted(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr]
) -> None:
    sent = list(motion_jpeg(shots, tables=True, padding=4096))
    sent[2], sent[5] = cut_off(sent[2]), b""
    camera.give("MJPG", FULL_HD, sent)
    done = run_camera(tmp_path, camera, frames=24, camera_width=1920)
    known = {data.rstrip(b"\0"): number for number, data in enumerate(sent)}
    assert {known[one.data] for one in done.frames} == {0, 1, 3, 4, 6, 7}
    assert done.health[-1].counters["damaged"] >= 4
    assert done.health[-1].state == "ready"
    assert [one.frame.seq for one in done.frames] == sorted({one.frame.seq for one in done.frames})


def test_what_a_camera_has_not_compressed_is_compressed_once(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr]
) -> None:
    """Its colours and their range are those of the scene."""
    card = np.full((*FULL_HD[::-1], 3), 128, np.uint8)
    for place, colour in enumerate([(0, 0, 0), (255, 255, 255), (40, 60, 200), (200, 80, 40)]):
        card[:, 300 * place : 300 * (place + 1)] = colour
    for image in (seen := [shot.copy() for shot in shots]):
        image[-200:] = card[-200:]
    camera.give("YUYV", FULL_HD, packed(seen))
    done = run_camera(tmp_path, camera, camera_width=1920, jpeg_quality=95)
    for one in done.frames[:4]:
        assert (one.frame.width, one.frame.height, one.frame.encoding) == (1920, 1080, "jpeg")
        assert nearest(one.image, seen) < 2
        for place in range(5):
            area = np.s_[-150:-50, 300 * place + 50 : 300 * place + 250]
            assert np.abs(one.image[area].astype(int) - card[area]).mean() < 3


@pytest.mark.parametrize(("form", "how"), [
    ("MJPG", {"width": 960}), ("MJPG", {"encoding": "raw"}), ("YUYV", {"width": 960}),
    ("YUYV", {"width": 320, "encoding": "raw"}),
])  # fmt: skip
def test_frames_are_scaled_and_sent_raw_where_that_is_asked_for(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr], form: str, how: dict[str, Any]
) -> None:
    size = (1280, 720)
    seen = shrunk(shots, size)
    if form == "MJPG":
        camera.give("MJPG", size, motion_jpeg(seen))
    else:
        camera.give("YUYV", size, packed(seen))
    done = run_camera(tmp_path, camera, frames=8, camera_width=1280, **how)
    width = how.get("width", 1280)
    wanted = shrunk(seen, (width, width * 9 // 16))
    for one in done.frames[:4]:
        assert (one.frame.width, one.frame.height) == (width, width * 9 // 16)
        assert one.frame.encoding == how.get("encoding", "jpeg")
        assert nearest(one.image, wanted) < 3


def test_a_camera_that_is_unplugged_is_lost_until_it_is_plugged_in_again(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr]
) -> None:
    sent = list(motion_jpeg(shrunk(shots)))
    sent[3] = cut_off(sent[3])
    camera.give("MJPG", SMALL, sent)

    def is_lost(message: Message) -> bool:
        return isinstance(message, Health) and message.state == "degraded"

    def is_back(message: Message) -> bool:
        return isinstance(message, Health) and message.counters.get("reopened", 0) > 0

    with pipeline(tmp_path, camera, camera_width=640) as started:
        before = started.wait_for_frame(16)
        camera.unplug()
        lost = started.wait_for(is_lost)
        assert isinstance(lost, Health)
        assert "42" in lost.detail
        camera.plug_in()
        back = started.wait_for(is_back)
        assert isinstance(back, Health)
        assert (back.state, back.detail) == ("ready", "")
        after = started.wait_for_frame(before.seq + 16)
        assert started.interrupt() == 130
    done = recorded(tmp_path)
    assert [one.frame.seq for one in done.frames] == sorted({one.frame.seq for one in done.frames})
    assert after.epoch == before.epoch
    damaged = [health.counters.get("damaged", 0) for health in done.health]
    assert damaged == sorted(damaged), "what was counted before it was lost stays counted"


def test_a_camera_without_a_whole_frame_is_refused(
    tmp_path: Path, camera: FakeCamera, shots: list[Bgr]
) -> None:
    camera.give("MJPG", SMALL, map(cut_off, motion_jpeg(shrunk(shots))))
    arguments = ["--source", FakeCamera.source, "--show", "page"]
    done = run("sync-test", *arguments, env=os.environ | camera.environment(), timeout=30)
    assert done.returncode
    assert "--source 42: has no readable frame" in done.stderr


LATE: Final = """
import cv2, sys, time
camera = cv2.VideoCapture(42, cv2.CAP_V4L2)
for pause in (0, 0, 0.6, 0, 0, 0, 0, 0):
    time.sleep(pause)
    assert camera.grab()
assert camera.get(cv2.CAP_PROP_FPS) == 30
"""


def test_a_late_reader_gets_old_frames_and_then_loses_some(camera: FakeCamera) -> None:
    """As from a real camera: what the tests above read does not wait for whoever reads it."""
    camera.give("YUYV", SMALL, packed([np.zeros((*SMALL[::-1], 3), np.uint8)]))
    environment = os.environ | camera.environment() | {"FAKE_CAMERA_RATE": "30"}
    subprocess.run([sys.executable, "-c", LATE], env=environment, check=True, timeout=30)
    frames = camera.frames_read()
    steps = [b.number - a.number for a, b in pairwise(frames)]
    assert sum(step > 1 for step in steps) == 1
    assert 8 < max(steps) < 25, "half a second, of which the driver's buffers hold a part"
    oldest = max(frames, key=lambda frame: frame.read_at - frame.came_at)
    assert oldest.read_at - oldest.came_at > 300_000_000
    rates = [b.came_at - a.came_at for a, b in pairwise(frames)]
    assert [round(ns / (1e9 / 30)) for ns in rates] == steps


def test_frames_of_a_camera_in_the_network_are_passed_on_to_the_byte(shots: list[Bgr]) -> None:
    sent = list(motion_jpeg(shrunk(shots), padding=1))
    sent[1] += bytes(100)
    sent[4] = cut_off(sent[4])
    sent[6] = next(motion_jpeg([shots[6]], tables=True, padding=1))
    known = {without_tables(data.rstrip(b"\0")): number for number, data in enumerate(sent)}
    with HttpCamera(draw=lambda number: sent[number % len(sent)], rate=100) as camera:
        source = open_source(SourceSettings(name="a", source=camera.address), CaptureSettings())
        numbers = []
        for _ in range(20):
            frame = source.read()
            assert frame is not None
            assert not isinstance(frame.content, np.ndarray)
            data = frame.content.data  # type: ignore[attr-defined]
            numbers.append(known[without_tables(data)])
            assert frame.image.shape == ((1080, 1920, 3) if numbers[-1] == 6 else (480, 640, 3))
        damaged = source.damage.count
        source.close()
    assert set(numbers) == {0, 1, 2, 3, 5, 6, 7}
    assert in_order(numbers, len(sent))
    assert damaged >= 2


def test_a_camera_in_the_network_without_a_whole_frame_is_refused(shots: list[Bgr]) -> None:
    sent = [cut_off(data) for data in motion_jpeg(shrunk(shots), padding=1)]
    with HttpCamera(draw=lambda number: sent[number % len(sent)], rate=500) as camera:
        source = SourceSettings(name="a", source=camera.address)
        with pytest.raises(AffectlineError, match="has no readable frame"):
            open_source(source, CaptureSettings())


def test_a_camera_in_the_network_is_judged_by_the_bytes_that_it_sent(
    tmp_path: Path, shots: list[Bgr]
) -> None:
    sent = list(motion_jpeg(shrunk(shots), padding=1))
    with HttpCamera(draw=lambda number: sent[number % len(sent)]) as camera:
        arguments = ["--source", f"cam={camera.address}", "--delivery", "live", "--record"]
        with Pipeline(tmp_path / "out", *arguments, "--display", "none") as started:
            started.wait_for_frame(16)
            assert started.interrupt() == 130
    done = recorded(tmp_path)
    assert {without_tables(one.data) for one in done.frames} <= set(sent)
    assert len(done.frames) > 10
