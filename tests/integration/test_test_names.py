"""Processes that share the tests of a run have to agree on what they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECT = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")


@pytest.mark.timeout(400)
def test_every_process_collects_the_same_tests() -> None:
    def collected(seed: str) -> list[str]:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [*COLLECT, "tests"], cwd=ROOT, env=environment,
            capture_output=True, text=True, timeout=200, check=True,
        )  # fmt: skip
        return [line for line in done.stdout.splitlines() if "::" in line]

    # One after the other: a name may hold the second in which it was made
    first, second = collected("1"), collected("2")
    assert any(test_every_process_collects_the_same_tests.__name__ in name for name in first)
    assert first == second
