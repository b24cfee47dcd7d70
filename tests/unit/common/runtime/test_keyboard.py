"""When a replay listens to keys."""

import os
import pty
import sys

import pytest

from affectline.common.runtime.keyboard import Keyboard
from affectline.common.wire.control import Pause, Step


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> int:
    """A terminal as standard input; its other end."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs))
    return ours


@pytest.mark.parametrize(("in_front", "possible"), [(os.getpgrp(), True), (1, False)])
def test_a_job_in_the_background_leaves_the_terminal_alone(
    in_front: int, possible: bool, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: in_front)
    assert Keyboard.is_available() is possible
    sys.stdin.close()
    os.close(terminal)


def test_a_terminal_that_did_not_start_us_can_be_asked(terminal: int) -> None:
    assert Keyboard.is_available()
    with Keyboard() as keys:
        os.write(terminal, b" x.")
        assert keys.read() == [Pause(), Step()]
        assert keys.read() == []
    sys.stdin.close()
    os.close(terminal)


def test_a_pipe_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reader))
    os.close(writer)
    assert not Keyboard.is_available()
    sys.stdin.close()
    monkeypatch.setattr(sys, "stdin", None)
    assert not Keyboard.is_available()
