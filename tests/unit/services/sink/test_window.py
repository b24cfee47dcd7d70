"""What the keys do that are pressed in the window."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from affectline.common.runtime.keyboard import STEERING
from affectline.common.runtime.stage import StageContext
from affectline.common.wire.control import Control, Pause, Step
from affectline.common.wire.messages import Emotion, Frame, Marker, StreamEnd, StreamStart
from affectline.services.sink import window as module
from affectline.services.sink.window import WindowDisplay
from tests.recordings import frame
from tests.samples import AT

START = StreamStart(
    stream="drive",
    epoch=1,
    started_at=AT,
    received_at=AT,
    session_start=AT,
    kind="film",
    source="0",
    live=True,
)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys to press in windows that nobody sees."""
    keys: list[str] = []
    for name in ("namedWindow", "resizeWindow", "setWindowTitle", "imshow"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: (0, 0, -1, -1))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1)
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord(keys.pop(0)) if keys else -1)
    return keys


def press(window: WindowDisplay, keyboard: list[str], keys: str) -> list[Any]:
    keyboard += keys
    return [packet.message for _ in keys for packet in window.refresh()]


def test_a_replay_is_steered_in_its_window(
    keyboard: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink"))
    window.begin(START.model_copy(update={"replay": True}))
    window.begin(START.model_copy(update={"replay": True, "epoch": 2}))
    published = press(window, keyboard, " .xm .")
    assert [type(message) for message in published] == [Control] * 2 + [Marker] + [Control] * 2
    commands = [message for message in published if isinstance(message, Control)]
    assert [command.action for command in commands] == [Pause(), Step()] * 2
    assert {command.target for command in commands} == {"replay"}
    assert capsys.readouterr().out.count(STEERING) == 1
    assert not press(window, keyboard, "q")
    assert window.closed, "it quits by itself"


@pytest.mark.parametrize(
    ("kind", "replay", "media_time", "shown"),
    [
        ("film", False, 5, True), ("camera", False, None, False), ("camera", True, None, True),
    ],
)  # fmt: skip
def test_a_marker_is_at_the_visible_frame_unless_a_camera_shows_the_present(
    keyboard: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    replay: bool,
    media_time: int | None,
    shown: bool,
) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink", now=lambda: 77))
    window.begin(START.model_copy(update={"kind": kind, "replay": replay}))
    picture, result = frame(3)
    assert isinstance(result.message, Emotion)
    emotion = result.message.model_copy(update={"media_time": media_time})
    window.add_frame(picture)
    window.add_result(emotion)
    later, _ = frame(4)
    assert press(window, keyboard, "x") == []
    window.add_frame(later)  # it has come, and is not shown yet
    (marker,) = press(window, keyboard, "m")
    assert marker.at == (emotion.captured_at if shown else 77)


def test_a_film_that_has_ended_beside_a_camera_sets_no_markers(
    keyboard: list[str], tmp_path: Path
) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink", now=lambda: 77))
    picture, result = frame(3)
    assert isinstance(result.message, Emotion)
    film, camera = START, START.model_copy(update={"stream": "cam", "kind": "camera"})
    for start in (film, camera):
        window.begin(start.model_copy(update={"epoch": result.message.epoch}))
    window.add_frame(picture)
    window.add_result(result.message.model_copy(update={"media_time": 5}))
    press(window, keyboard, "x")
    end = StreamEnd.example().model_copy(update={"epoch": result.message.epoch})
    window.end(end)
    (marker,) = press(window, keyboard, "m")
    assert marker.at == 77


def test_what_is_live_cannot_be_paused(keyboard: list[str], tmp_path: Path) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink"))
    window.begin(START)
    assert not press(window, keyboard, " .")


@pytest.mark.parametrize("keeps_pictures", [True, False])
def test_a_snapshot_keeps_no_more_than_the_recording(
    keyboard: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keeps_pictures: bool,
) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink"), keeps_pictures=keeps_pictures)
    window.begin(START)
    for packet in frame(3):
        if isinstance(packet.message, Emotion):
            window.add_result(packet.message)
        else:
            window.add_frame(packet)
    press(window, keyboard, "xk")
    saved = sorted(path.name for path in tmp_path.rglob("*.png"))
    assert saved == (["drive-000003-face1.png", "drive-000003.png"] if keeps_pictures else [])
    said = capsys.readouterr().out
    assert "happy 0.400" in said, "the numbers are said in any case"
    assert ("numbers only" in said) != keeps_pictures


def test_a_window_that_was_closed_ends_the_session(
    keyboard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink"))
    window.begin(START)
    show_one(window)
    assert not window.closed

    def gone(*_: object) -> float:
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(cv2, "getWindowProperty", gone)
    press(window, keyboard, "x")
    assert window.closed


def show_one(window: WindowDisplay, index: int = 3, stream: str = "drive") -> None:
    for packet in frame(index):
        message = packet.message
        assert isinstance(message, Emotion | Frame)
        message = message.model_copy(update={"stream": stream})
        if isinstance(message, Emotion):
            window.add_result(message)
        else:
            window.add_frame(packet._replace(message=message))
    assert not list(window.refresh())


def test_the_window_opens_once_and_has_a_cell_for_every_stream(
    keyboard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    shown: list[np.ndarray] = []
    titles: list[str] = []
    rect = [0, 0, -1, -1]
    monkeypatch.setattr(cv2, "namedWindow", lambda name, _: opened.append(name))
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image.copy()))
    monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: titles.append(title))
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: tuple(rect))
    window = WindowDisplay(tmp_path, StageContext("sink"), streams=("front", "rear"))
    assert not list(window.refresh())
    assert not opened, "nothing is there to be shown"
    show_one(window, stream="front")
    before = shown[-1]
    assert before.shape == (324, 1152, 3), "two beside one another, as large as the screen allows"
    assert (before[:, 580:] == before[0, -1]).mean() > 0.9, "the other one has not come"
    assert (before[:, 580:] != before[0, -1]).any(), "which is said"
    show_one(window, stream="rear")
    assert (shown[-1][:, :570] == before[:, :570]).all(), "the first one stays"
    assert (shown[-1][:, 580:] != before[:, 580:]).mean() > 0.5
    show_one(window, stream="unexpected")
    assert titles[-1] == "Affectline front, rear, unexpected"
    rect[2:] = 700, 500
    assert not list(window.refresh())
    assert shown[-1].shape == (500, 700, 3), "all are drawn anew for another size"
    rect[2:] = 3, 2
    assert not list(window.refresh())
    assert shown[-1].shape == (500, 700, 3), "nothing can be drawn so small"
    assert opened == ["Affectline"]


def test_keys_are_of_use_without_pictures(
    keyboard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    clock = [5.0]
    monkeypatch.setattr(cv2, "namedWindow", lambda name, _: opened.append(name))
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    window = WindowDisplay(tmp_path, StageContext("sink"))
    window.begin(START)
    for _ in range(2):
        assert not list(window.refresh())
    assert not opened
    clock[0] += 1.5
    assert not list(window.refresh())
    assert opened == ["Affectline"]
