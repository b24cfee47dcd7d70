"""What the keys do that are pressed in the window."""

from pathlib import Path
from typing import Any

import cv2
import pytest

from affectline.common.runtime.keyboard import STEERING
from affectline.common.runtime.stage import StageContext
from affectline.common.wire.control import Control, Pause, Step
from affectline.common.wire.messages import Marker, StreamStart
from affectline.services.sink.window import WindowDisplay
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
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
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


def test_what_is_live_cannot_be_paused(keyboard: list[str], tmp_path: Path) -> None:
    window = WindowDisplay(tmp_path, StageContext("sink"))
    window.begin(START)
    assert not press(window, keyboard, " .")
