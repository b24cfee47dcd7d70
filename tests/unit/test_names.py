"""Names lead somewhere: a class name stands once in the package, verbs mean one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
VAGUE = {
    "ask", "conclude", "feel", "give", "go_back", "hear", "judge", "keep", "knows", "look", "mend",
    "note", "press", "regain", "say", "settle", "take", "tell",
}  # fmt: skip
"""Verbs that once had a private meaning each time they were used: a search for them led nowhere."""
NO_MODULES = {"base", "helpers", "manager", "misc", "util", "utils"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("common", "services", "training", "src/affectline"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def test_a_class_name_stands_once_in_the_package() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in modules():
        if path.parts[0] == "src":  # links to the others
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].add(str(path))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_functions_and_methods_have_verbs_of_the_field() -> None:
    vague = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.strip("_") in VAGUE
    ]
    assert vague == []


def test_no_module_is_a_drawer() -> None:
    drawers = [str(path) for path, _ in modules() if path.stem in NO_MODULES]
    assert drawers == ["common/wire/base.py"], "what all messages share is the one base"
