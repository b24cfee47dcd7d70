"""Every error is one line, with an exit code."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.services.cli.errors import run_and_exit
from affectline.services.cli.main import app, main


def raising(error: BaseException) -> Callable[[], Any]:
    def command() -> None:
        raise error

    return command


def invalid_settings() -> None:
    HubSettings(port=0)


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (raising(AffectlineError("--out x: not empty", "name another")), 1, "--out x: not empty"),
        (raising(ModuleNotFoundError("No module named 'nicegui'", name="nicegui")), 1, "nicegui"),
        (raising(PermissionError(13, "Permission denied", "/x")), 1, "check the path and its"),
        (raising(typer.BadParameter("'fast' is not one of 'live'.")), 2, "Try affectline --help"),
        (raising(KeyboardInterrupt()), 130, "stopped by Ctrl-C"),
        (raising(typer.Abort()), 130, "stopped by Ctrl-C"),
        (invalid_settings, 2, "port: Input should be greater than or equal to 1 (got 0)."),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    command: Callable[[], Any], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_and_exit(command)
    out, err = capsys.readouterr()
    assert ended.value.code == code
    assert out == ""
    assert err.startswith("affectline: ")
    assert err.count("\n") == 1
    assert text in err


def test_a_pipe_without_a_reader_is_the_same_for_every_command() -> None:
    code = (
        "import sys; sys.argv[1:] = ['info', '--help']\n"
        "from affectline.services.cli import main as cli\n"
        "cli.import_command('info')\n"
        "import os, typer\n"
        "typer.echo = lambda *_: (_ for _ in ()).throw(BrokenPipeError(32, 'Broken pipe'))\n"
        "sys.argv[1:] = []\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (141, b"")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "affectline", "schema"],
        stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(("returned", "code"), [(0, 0), (3, 3), (None, 0)])
def test_the_exit_code_is_the_command_s(returned: int | None, code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        run_and_exit(lambda: returned)
    assert ended.value.code == code


def test_a_group_of_commands_by_itself_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_and_exit(lambda: app(["keys"], standalone_mode=False))
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert {"new", "list", "revoke"} <= {line.split()[0] for line in err.splitlines() if line}, out


@pytest.mark.parametrize(
    ("typed", "command"),
    [("up --nope", "up"), ("calibrate", "calibrate"), ("report", "report"),
     ("keys new", "keys new"), ("nonsense", "")],
)  # fmt: skip
def test_a_usage_error_names_the_help_that_lists_the_options(
    typed: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/lib/affectline/__main__.py", *typed.split()])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.endswith(f" Try affectline{f' {command}'.rstrip()} --help\n")


def test_a_choice_that_there_is_not_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_and_exit(lambda: app(["keys", "new", "x", "--role", "king"], standalone_mode=False))
    assert "Value error" not in capsys.readouterr().err
