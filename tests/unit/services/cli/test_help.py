"""Every command has a help text with an example that the command line accepts."""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
import typer.main

from affectline.common.command_line import name_values
from affectline.services.cli.help_page import GROUPS
from affectline.services.cli.main import PROCESSES, app
from affectline.services.registry import SPECS

ROOT: Any = name_values(typer.main.get_command(app))
SCREEN_LINES = 43
WITH_COMMANDS = ("control", "keys", "sessions", "validate")
COMMANDS = {
    name: command for name, command in ROOT.commands.items() if name not in WITH_COMMANDS
} | {
    f"{group} {name}": command
    for group in WITH_COMMANDS
    for name, command in ROOT.commands[group].commands.items()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_example_that_parses(name: str) -> None:
    command = COMMANDS[name]
    example = re.search(rf"Example: affectline {name}( .*|)$", command.help, re.MULTILINE)
    assert example, f"{name} has no example"
    arguments = shlex.split(example[1])
    command.make_context(name, arguments)  # raises where an option does not exist


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"train"}))  # it hands over
def test_every_command_has_the_options_of_logging(name: str) -> None:
    assert {"log_level", "log_format"} <= {parameter.name for parameter in COMMANDS[name].params}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    shown = [p for p in COMMANDS[name].params if not getattr(p, "hidden", False)]
    unexplained = [p.name for p in shown if not getattr(p, "help", None)]
    assert not unexplained


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affectline", *arguments], capture_output=True, text=True,
        check=False, env={**os.environ, "COLUMNS": "80", **environment},
    )  # fmt: skip


def test_every_command_stands_once_in_the_help_which_fits_a_screen() -> None:
    listed = [name for commands in GROUPS.values() for name in commands]
    assert sorted(listed) == sorted(ROOT.commands)
    shown = call("--help")
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines()[1:])) <= 80
    assert len(shown.stdout.splitlines()) <= SCREEN_LINES
    assert "..." not in shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_screen_and_names_every_option(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = COMMANDS[name]
    context = command.make_context(name, [], resilient_parsing=True)
    text = command.get_help(context)
    assert len(text.splitlines()) <= SCREEN_LINES
    assert max(map(len, text.splitlines())) <= 80
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert re.search(rf"(^|[ ,/]){parameter.opts[0]}\b", text, re.MULTILINE), parameter


def test_what_the_help_of_a_command_leaves_out_is_in_that_of_all() -> None:
    brief, whole = call("biometrics", "--help").stdout, call("biometrics", "--help-all").stdout
    assert "--driver csv          --column" in brief
    assert "Column with the time of each row" not in brief
    assert "Column with the time of each row" in whole
    assert "More options" not in whole
    of_one = call("biometrics", "--driver", "csv", "--help").stdout
    assert "Column with the time of each row" in of_one
    assert "advertises" not in of_one


def test_a_bare_command_shows_the_help() -> None:
    bare = call()
    assert bare.returncode == 0
    assert bare.stdout.strip() == call("--help").stdout.strip()


def test_it_says_its_version() -> None:
    shown = call("--version")
    assert (shown.returncode, shown.stdout) == (0, f"affectline {version('affectline')}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_values_have_plain_names_and_flags_none(name: str) -> None:
    command = COMMANDS[name]
    text = command.get_help(command.make_context(name, [], resilient_parsing=True))
    assert not re.search(r"<(bool|int|str|path|list|float)\b[^>]*>|RANGE|BOOLEAN", text)
    for parameter in command.params:
        if getattr(parameter, "is_flag", False) and not parameter.hidden:
            assert re.search(rf"{re.escape(parameter.opts[0])}(  |\n|,)", text), parameter.name


def loaded_by(*arguments: str) -> set[str]:
    """Packages that a call of the command line loads."""
    words = [sys.executable, "-X", "importtime", "-m", "affectline", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    names = re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_of_all_commands_loads_none_of_them(option: str) -> None:
    assert not loaded_by(option) & {"numpy", "cv2", "pandas", "pydantic", "rich", "yaml", "zmq"}


@pytest.mark.parametrize("name", ["up", "replay", "analyse", "report", "sessions", "study"])
def test_the_help_of_a_command_loads_nothing_that_it_works_with(name: str) -> None:
    assert not loaded_by(name, "--help") & {"numpy", "cv2", "pandas", "rich", "yaml", "zmq"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_name_that_the_help_lists(name: str) -> None:
    assert COMMANDS[name].name == name.rpartition(" ")[2]


def test_commands_that_run_a_process_are_those_that_services_declare() -> None:
    assert set(PROCESSES) == {kind for kind, spec in SPECS.items() if spec.configure}


def test_a_mistyped_command_is_suggested() -> None:
    wrong = call("sesions")
    assert wrong.returncode == 2
    assert "Did you mean 'sessions'" in wrong.stderr


def test_the_shell_completes_commands_and_options() -> None:
    words = {"COMP_WORDS": "affectline su", "COMP_CWORD": "1"}
    found = call(_AFFECTLINE_COMPLETE="complete_bash", **words)
    program = subprocess.run(
        [sys.executable, "-c", "from affectline.services.cli.start import main; import sys; "
         "sys.argv[0] = 'affectline'; main()"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "_AFFECTLINE_COMPLETE": "complete_bash", **words},
    )  # fmt: skip
    assert "subscribe" in program.stdout + found.stdout
