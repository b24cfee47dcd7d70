"""Command lines and settings in documents are ones that the program accepts."""

import re

import pytest
import yaml

from affectline.common.settings.pipeline import PipelineSettings
from tests.documented_commands import LACKING, ROOT, parse, strip_remark, strip_venv

PLACES = ("*.md", "docs/*.md", "examples/*.md", "docs/decisions/*.md")
DOCUMENTS = sorted({path for place in PLACES for path in ROOT.glob(place)})
DOCUMENTS.remove(ROOT / "docs" / "extending.md")  # its commands need its example: test_plugins.py


def command_lines(text: str) -> list[str]:
    """Lines of code blocks, and code in running text, that begin with one of the programs."""
    blocks = re.findall(r"^(?: {4,}|)((?:\.venv/bin/)?affectline(?:-train)? .*)$", text, re.M)
    inline = re.findall(r"`((?:\.venv/bin/)?affectline(?:-train)? [^`]+)`", text)
    return [*map(strip_remark, blocks), *map(strip_venv, inline)]


LINES = sorted(
    {
        (str(path.relative_to(ROOT)), line)
        for path in DOCUMENTS
        for line in command_lines(path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("document", "line"), LINES)
def test_a_command_line_is_accepted(document: str, line: str) -> None:
    try:
        parse(line)
    except Exception as error:
        if type(error).__name__ not in LACKING:
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
