"""The glossary is in order, and names only what exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([^`]+)` \|$", GLOSSARY, re.MULTILINE)


def exists(dotted: str) -> bool:
    """Whether a package, a module, or a name at the top level of a module exists."""
    path = ROOT / dotted.replace(".", "/")
    if (path / "__init__.py").exists() or path.with_suffix(".py").exists():
        return True
    module, name = path.parent, path.name
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return file.exists() and name in names(file)


def names(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_every_row_is_read() -> None:
    lines = [line for line in GLOSSARY.splitlines() if line.startswith("| ")]
    headings = sum(line.startswith("| term |") for line in lines)
    assert len(ROWS) == len(lines) - 2 * headings
    assert len(ROWS) > 50


@pytest.mark.parametrize(("term", "place"), [(term, place) for term, _, place in ROWS])
def test_a_term_lives_where_the_glossary_says(term: str, place: str) -> None:
    assert exists(place), f"{term}: affectline.{place} does not exist"


@pytest.mark.parametrize("section", GLOSSARY.split("\n## ")[1:])
def test_terms_are_in_alphabetical_order(section: str) -> None:
    terms = re.findall(r"^\| ([^|]+) \| [^|]+ \| `", section, re.MULTILINE)
    assert [t.lower() for t in terms] == sorted(t.lower() for t in terms)


def test_what_does_not_exist_is_noticed() -> None:
    assert exists("common.wire.messages.Frame")
    assert not exists("common.wire.messages.Picture")
    assert not exists("common.wires")
