"""Command lines and settings in documents are ones that the program accepts."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.cli.main import app
from affectline.training.cli.main import app as training_app

ROOT = Path(__file__).parents[3]
PLACES = ("*.md", "docs/*.md", "examples/*.md", "docs/decisions/*.md")
DOCUMENTS = sorted({path for place in PLACES for path in ROOT.glob(place)})
DOCUMENTS.remove(ROOT / "docs" / "extending.md")  # its commands need its example: test_plugins.py
PROGRAMS: dict[str, Any] = {
    "affectline": typer.main.get_command(app),
    "affectline-train": typer.main.get_command(training_app),
}
PLACEHOLDERS = {"NUMBER": "1", "HOST": "192.168.1.20", "USER@HOST": "192.168.1.20"}


def command_lines(text: str) -> list[str]:
    """Lines of code blocks, and code in running text, that begin with one of the programs."""
    blocks = re.findall(r"^(?: {4,}|)((?:\.venv/bin/)?affectline(?:-train)? .*)$", text, re.M)
    inline = re.findall(r"`((?:\.venv/bin/)?affectline(?:-train)? [^`]+)`", text)
    return [line.removeprefix(".venv/bin/") for line in [*blocks, *inline]]


LINES = sorted(
    {
        (str(path.relative_to(ROOT)), line)
        for path in DOCUMENTS
        for line in command_lines(path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("document", "line"), LINES)
def test_a_command_line_is_accepted(document: str, line: str) -> None:
    words = shlex.split(re.sub(r"\s\[[^\]]*\]|\s\.\.\.|\s[|>&].*$", "", line), comments=True)
    program, *arguments = (PLACEHOLDERS.get(word, word) for word in words)
    command = PROGRAMS[program]
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in command.commands, f"{document}: {line}"
        command = command.commands[name]
    if hasattr(command, "commands"):
        assert arguments in ([], ["--help"], ["--version"], ["--install-completion"])
        return
    if arguments and arguments[-1].startswith("--"):  # the text is about this option
        names = {name for parameter in command.params for name in parameter.opts}
        assert arguments.pop() in names | {"--help"}
    try:
        command.make_context(command.name, arguments)
    except Exception as error:
        if type(error).__name__ != "MissingParameter":
            raise
        assert f"`{line}`" in (ROOT / document).read_text(encoding="utf-8")  # in running text


def test_there_are_command_lines() -> None:
    assert len(LINES) > 100


def test_the_settings_in_the_page_about_running_are_accepted() -> None:
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        PipelineSettings.model_validate(yaml.safe_load(block))
