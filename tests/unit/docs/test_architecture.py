"""The architecture page: generated parts, and names that exist."""

import ast
import re
from pathlib import Path

import pytest

from affectline.services.cli.reference import write_parts
from affectline.services.registry import SPECS
from tests.architecture import PAGE, PARTS, draw_processes, without_shortcuts

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
REFERENCES = sorted(set(re.findall(r"`([\w./<>-]+\.py)(?::([\w.]+))?`", TEXT)))


def defined_names(path: Path) -> set[str]:
    """Functions and classes of a file, and methods as ``Class.method``."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
            found |= {f"{node.name}.{one.name}" for one in methods}
    return found


def test_the_generated_parts_are_those_of_the_code() -> None:
    assert write_parts(PAGE, TEXT, PARTS) == TEXT, "run: make docs"


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_files_and_functions_that_the_page_names_exist(path: str, name: str) -> None:
    if "<name>" in path:  # where something is added: others are there
        assert list(ROOT.glob(path.replace("<name>", "[a-z]*")))
        return
    assert (ROOT / path).is_file()
    if name:
        assert name in defined_names(ROOT / path)


def test_the_ways_name_functions_of_every_process_on_them() -> None:
    rooms = {path.split("/")[1] for path, _ in REFERENCES if path.startswith("services/")}
    assert {"capture", "detector", "classifier", "sink", "biometrics", "fusion"} <= rooms


def test_every_process_is_drawn_and_connected() -> None:
    drawing = draw_processes()
    for kind in SPECS:
        assert re.search(rf"^ +{kind} <?-|> {kind}$", drawing, re.MULTILINE), kind


def test_arrows_that_follow_from_others_are_left_out() -> None:
    arrows = {("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}
    assert without_shortcuts(arrows) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_a_circle_of_imports_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="cycle"):
        without_shortcuts({("a", "b"), ("b", "a")})
