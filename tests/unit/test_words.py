"""People read the words of ``docs/style.md``, and not those that it tells to avoid."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
STYLE: Final = ROOT / "docs" / "style.md"
PAGES: Final = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff")
ALLOWED: Final = (
    "Shimmer3 GSR+",  # a product
    '"uS"',  # the unit's name on the wire
    "the baseline is young",  # in recordings of earlier versions
)
DOCUMENTED: Final = ("common/settings/", "services/api/", "services/cli/")
"""Whose docstrings become help and reference."""


def find_words() -> list[str]:
    """What the last column of the tables in ``docs/style.md`` has in backticks."""
    rows = [line for line in STYLE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [word for row in rows for word in re.findall("`([^`]+)`", row.split("|")[-2])]


def read_page(path: Path) -> str:
    """A page as prose: without code, links' addresses and line breaks."""
    text = re.sub(r"^```.*?^```|^ {4}.*?$", "", path.read_text("utf-8"), flags=re.M | re.S)
    return " ".join(re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text).split())


def find_texts(path: Path) -> Iterator[str]:
    """The texts of a module that people can read: literals of several words, and its help."""
    tree = ast.parse(path.read_text("utf-8"))
    is_documented = path.relative_to(ROOT).as_posix().startswith(DOCUMENTED)
    silent = {
        id(part)
        for node in ast.walk(tree)
        for part in (
            [node.value]
            if isinstance(node, ast.Expr) and not is_documented
            else node.values
            if isinstance(node, ast.JoinedStr)
            else []
        )
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
            yield " ".join("".join(map(str, parts)).split())
        elif id(node) not in silent and " " in (text := _text_of(node)):
            yield " ".join(re.sub("``?[^`]*``?", " ", text).split())


def _text_of(node: ast.AST) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) else ""


@cache
def find_places() -> list[tuple[str, str]]:
    """Places, by their paths, and what people read there."""
    return list(_read_places())


def _read_places() -> Iterator[tuple[str, str]]:
    pages = [ROOT / name for name in PAGES]
    pages += sorted((ROOT / "docs").rglob("*.md"))
    pages += sorted((ROOT / "examples").glob("*.md"))
    pages += sorted((ROOT / "common" / "models").glob("*/*.md"))
    for page in pages:
        if page != STYLE:
            yield page.relative_to(ROOT).as_posix(), read_page(page)
    for script in (ROOT / "services").glob("*/static/**/*.js"):
        yield script.relative_to(ROOT).as_posix(), " ".join(script.read_text("utf-8").split())
    for folder in ("common", "services", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for text in find_texts(path):
                yield path.relative_to(ROOT).as_posix(), text


@pytest.mark.parametrize("word", find_words())
def test_nobody_reads_a_word_to_avoid(word: str) -> None:
    flags = 0 if word == "uS" else re.IGNORECASE
    wanted = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", flags)
    found = []
    for place, text in find_places():
        for allowed in ALLOWED:
            text = text.replace(allowed, "")
        found += [
            f"{place}: ...{text[max(0, match.start() - 40) : match.end() + 40]}..."
            for match in wanted.finditer(text)
        ]
    assert not found, f"docs/style.md says what to write for {word!r}:\n" + "\n".join(found)


def test_there_are_words_and_places() -> None:
    assert {"made-up", "remedy", "whom"} <= set(find_words())
    places = {place for place, _ in find_places()}
    assert {"README.md", "docs/running.md", "docs/benchmarks.md"} <= places
    assert {"docs/notes/strong-recipe.md", "docs/decisions/README.md"} <= places
    assert any(place.endswith(".js") for place in places)
    assert ("services/cli/mark.py", "Label of the marker.") in find_places()


def find_cut_texts(source: str) -> list[int]:
    """Lines that look like the rest of a text, and are a statement by themselves."""
    lines = source.splitlines()
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and not lines[node.lineno - 1].lstrip().startswith(('"""', 'r"""'))
    ]


def test_no_text_is_cut_off_for_want_of_parentheses() -> None:
    assert find_cut_texts('A = "begins "\n"ends"\n"""Docs."""') == [2]
    folders = (ROOT / name for name in ("common", "services", "training", "tests"))
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    cut = {str(path): find_cut_texts(path.read_text("utf-8")) for path in paths}
    assert not {path: lines for path, lines in cut.items() if lines}
