"""Files of long tests are named in one place."""

from pathlib import Path

from tests.conftest import LONG

TESTS = Path(__file__).parents[1]


def test_every_long_file_is_there() -> None:
    there = {path.stem for room in ("e2e", "integration") for path in (TESTS / room).glob("*.py")}
    assert there >= LONG
