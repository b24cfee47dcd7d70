"""The fork server imports little, and names what it forks."""

import os
import subprocess
import sys

import pytest

from affectline.services.registry import SPECS
from affectline.services.supervisor.fork_server import FORKED, SERVER, _renamed, start_order
from affectline.services.supervisor.forking import CHILD_MAIN, LEAN, ROOM

LARGE = ("ai_edge_litert", "asyncio", "av", "cv2", "numpy", "pandas", "prometheus_client", "rich",
         "typer", "yaml")  # fmt: skip
"""Packages that take 10 ms or 3 MB, or more."""
NEEDED = {
    "hub": [],
    "sink": [],
    "recorder": ["numpy", "cv2"],
    "fusion": ["numpy"],
    "classifier": ["numpy"],
    "detector": ["cv2", "numpy"],
    "capture": ["cv2", "numpy"],
    "replay": [],
}


def loaded_by(code: str) -> list[str]:
    """The large packages that a program loads."""
    program = f"{code}\nimport sys; print(*[name for name in {LARGE} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **LEAN}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize("kind", FORKED)
def test_a_process_loads_only_the_packages_that_it_needs(kind: str) -> None:
    module = SPECS[kind].stage.partition(":")[0]
    code = f"import affectline.services.supervisor.child_main, {module}"
    assert set(loaded_by(code)) == set(NEEDED[kind])


def test_what_starts_a_run_loads_nothing_that_its_processes_need() -> None:
    code = (
        "from affectline.common.settings.pipeline import PipelineSettings; "
        "from affectline.services.cli import main, run, up; "
        "from affectline.services.registry import SPECS; PipelineSettings(); dict(SPECS)"
    )
    assert loaded_by(code) == ["typer"]


def test_small_processes_are_forked_before_large_packages_are_imported() -> None:
    kinds = ["capture", "dashboard", "detector", "fusion", "hub", "sink"]
    ordered = sorted(kinds, key=start_order)
    assert ordered == ["hub", "sink", "fusion", "capture", "detector", "dashboard"]


def test_a_forked_process_shows_its_own_name() -> None:
    server = ["python", "-P", "-m", CHILD_MAIN, ROOM, SERVER]
    memory = b"".join(word.encode() + b"\0" for word in server)
    shown = _renamed(memory, "detector/front")
    assert len(shown) == len(memory)
    *words, blanks, name, end = shown.split(b"\0")
    assert [word.decode() for word in words] == server[:4]
    assert not blanks.strip()
    assert (name, end) == (b"detector/front", b"")


def test_a_name_that_does_not_fit_is_not_shown() -> None:
    memory = b"python\0 \0fork-server\0"
    assert len(_renamed(memory, "detector/front" * 9)) != len(memory)
