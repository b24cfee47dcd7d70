"""Decision records have one form, and are at most a page long."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
A_PAGE_WORDS = 520


def test_records_are_numbered_without_gaps_and_listed() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    listed = re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (FOLDER / "README.md").read_text())
    assert listed == [path.name for path in RECORDS]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem[:4])
def test_a_record_says_status_decision_reasons_and_what_was_given_up(path: Path) -> None:
    text = path.read_text()
    title, rest = text.split("\n", 1)
    assert title.startswith(f"# {int(path.name[:4])}. ")
    assert re.search(r"^\*\*Status\.\*\* (Draft|Accepted|Superseded)\b", rest, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings in (
        ["Decision", "Reasons", "What was given up"],
        ["Decision and reasons", "What was given up"],
    )
    assert len(text.split()) <= A_PAGE_WORDS
