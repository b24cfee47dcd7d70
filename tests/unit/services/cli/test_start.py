"""What happens before the command line is loaded."""

import io
import subprocess
import sys

import pytest

from affectline.services.cli.start import allow_every_character, is_plain_run

INTERRUPTED = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "affectline.services.supervisor.forking":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["info", "x"]
from affectline.services.cli.start import main
main()
"""
"""Ctrl-C while modules are imported."""


@pytest.mark.parametrize(
    ("arguments", "is_plain"),
    [
        (["up", "--source", "0"], True),
        (["replay", "sessions/drive"], True),
        ([], False),
        (["--help"], False),
        (["export", "sessions/drive"], False),
        (["up", "--help"], False),
        (["up", "--help-all"], False),
        (["up", "--config", "camera.yaml"], False),
        (["up", "--config=camera.yaml"], False),
        (["up", "--source", "rtsp://me:${PASSWORD}@camera/1"], False),
    ],
)
def test_a_run_without_settings_of_its_own_is_prepared(
    arguments: list[str], is_plain: bool
) -> None:
    assert is_plain_run(arguments) is is_plain


def test_ctrl_c_during_the_start_is_one_line_and_an_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "affectline: stopped by Ctrl-C\n")


@pytest.mark.parametrize(
    ("encoding", "text", "printed"),
    [
        ("latin-1", "valence \u22120.3 µS, 2\u20134 s\u2026 \u65e5", "valence -0.3 µS, 2-4 s... ?"),
        ("ascii", "\u201cé\u201d", '"?"'),
        ("utf-8", "\u22121 \u65e5 \udcff", "\u22121 \u65e5 ?"),
    ],
)
def test_characters_that_a_terminal_lacks_are_replaced(
    encoding: str, text: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    allow_every_character()
    output.write(text)
    output.flush()
    assert output.buffer.getvalue().decode(encoding) == printed
