"""A terminal that is closed while a pipeline runs in it."""

import fcntl
import os
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common.settings.hub import HubSettings
from tests.pipelines import AFFECTLINE, free_port, listening, run


@pytest.fixture
def terminal() -> Iterator[list[int]]:
    """Both ends of a terminal; a test that closes the first removes it."""
    ends = list(os.openpty())
    yield ends
    for end in ends:
        os.close(end)


def start_in(terminal: list[int], folder: Path, *command: str) -> "subprocess.Popen[bytes]":
    """Start a command as a shell does: the terminal is its own."""

    def take() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    end = terminal.pop()
    started = subprocess.Popen(
        command, cwd=folder, stdin=end, stdout=end, stderr=end, start_new_session=True,
        preexec_fn=take,
    )  # fmt: skip
    os.close(end)
    return started


def wait_for_results(port: int, count: int = 20) -> None:
    with listening(HubSettings(port=port)) as listener:
        heard = 0
        while heard < count:
            assert listener.wait(timeout_s=60)
            heard += sum(
                packet.message.topic.startswith("emotion/") for packet in listener.receive()
            )


def test_a_closed_terminal_ends_a_recording_properly(tmp_path: Path, terminal: list[int]) -> None:
    port, out = free_port(), tmp_path / "s"
    (tmp_path / "c.yaml").write_text("sources: [{name: sample, source: sample, loop: true}]")
    options = ["--config", str(tmp_path / "c.yaml"), "--out", str(out), "--port", str(port)]
    more = ["--pace", "realtime", "--report", "--display", "mp4"]
    with start_in(terminal, tmp_path, *AFFECTLINE, "up", *options, *more) as started:
        wait_for_results(port)
        os.close(terminal.pop())
        assert started.wait(60) == 130
    assert run("check", str(out)).returncode == 0
    assert (out / "session.json").exists()
    assert (out / "report.html").exists()


def test_what_was_started_by_nohup_continues(tmp_path: Path, terminal: list[int]) -> None:
    port = free_port()
    out = str(tmp_path / "s")
    options = ["up", "--out", out, "--port", str(port), "--pace", "realtime", "--json"]
    with start_in(terminal, tmp_path, "nohup", *AFFECTLINE, *options) as started:
        wait_for_results(port)
        started.send_signal(signal.SIGHUP)
        wait_for_results(port)
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 130
