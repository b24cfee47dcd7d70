from pathlib import Path

import pytest

from affectline.services.cli.reference import PARTS, write_parts

DOCS = Path(__file__).parents[4] / "docs"


@pytest.mark.parametrize("page", PARTS)
def test_the_generated_parts_of_the_docs_are_those_of_the_code(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert write_parts(page, text) == text, "run: make docs"


def test_a_page_that_does_not_mark_its_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part between <!-- generated: drivers -->"):
        write_parts("biometrics.md", "# Biometric streams\n")
