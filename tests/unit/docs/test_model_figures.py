"""The README and the docs state the figures of the model that is shipped."""

from pathlib import Path

import pytest

from affectline.common.model.artifact import load
from affectline.training.export.shipped_figures import PARTS, fill

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("page", "part"), [("README.md", "accuracy"), ("docs/models.md", "answers")]
)
def test_the_figures_are_those_of_the_manifest(page: str, part: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- figures of the model: {part} -->\n" in text
    assert PARTS[part](load().manifest) in text, "run make docs"
    assert fill(text, load().manifest) == text


def test_everything_else_on_a_page_stays() -> None:
    manifest = load().manifest
    page = "a\n<!-- figures of the model: answers -->\nold\n<!-- end of figures -->\nb old\n"
    made = fill(page, manifest)
    assert made.startswith("a\n<!-- figures of the model: answers -->\n| `--answer` |")
    assert made.endswith("|\n<!-- end of figures -->\nb old\n")
    assert "\nold\n" not in made
