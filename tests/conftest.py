"""What all tests share: nothing may be left behind."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import psutil
import pytest

from affectline.common import logs
from affectline.common.file_access import current_mask

# Machines are busy at times; and whether a change is sound does not depend on luck: what is made up
# by chance is for make fuzz, and for `pytest --hypothesis-profile=chance tests/property`.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
hypothesis.settings.register_profile("chance", deadline=None)
hypothesis.settings.load_profile("default")

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
LONG: Final = frozenset({
    "test_annotated_films", "test_archive", "test_attacks", "test_backends",
    "test_blurred_sessions", "test_calibration", "test_cameras", "test_chaos", "test_collect",
    "test_collect_training", "test_completeness", "test_containers", "test_control",
    "test_dashboard_pipeline", "test_direct_run", "test_documented_commands",
    "test_documented_subscribers", "test_experiments", "test_file_access", "test_film_pieces",
    "test_hour_report", "test_keeping", "test_keyed_sensors", "test_keys", "test_kills",
    "test_live_page", "test_long_tables", "test_lsl", "test_notebooks", "test_one_time_line",
    "test_parallel_runs", "test_planned_runs", "test_playback", "test_ray_engine", "test_recording",
    "test_recordings_in_time", "test_removal", "test_replay_page", "test_rough_weather",
    "test_secrets", "test_states", "test_stores", "test_strong", "test_study_command",
    "test_sync_test", "test_tables", "test_test_names", "test_trace", "test_training",
})  # fmt: skip
"""Files below ``e2e`` and ``integration`` that take longest, by the durations of a whole run:
``make test`` leaves them out."""


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: they can hold the time at which they were made (gzip), and then
    processes that share the tests of a run would not agree on what they are."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is no UTF-8, such as names of files: processes cannot send it to each other."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fail a test that leaves a process, thread or listening socket of ours."""
    threads = set(threading.enumerate())
    own = psutil.Process()
    before = {child.pid for child in own.children(recursive=True)}
    yield
    children = [child for child in own.children(recursive=True) if _is_new(child, own, before)]
    _, alive = psutil.wait_procs(children, timeout=2)
    names = [" ".join(child.cmdline())[:200] for child in alive if child.is_running()]
    for child in alive:
        child.kill()
    left = [t for t in threading.enumerate() if t not in threads and not t.daemon]
    for thread in left:  # those of an event loop end by themselves, soon after it
        thread.join(timeout=2)
    left = [thread for thread in left if thread.is_alive()]
    listening = [c.laddr for c in own.net_connections("tcp") if c.status == "LISTEN"]
    assert not names, f"processes left behind: {names}"
    assert not left, f"threads left behind: {left}"
    assert not listening, f"sockets left behind: {listening}"


@pytest.fixture(autouse=True)
def umask_is_restored() -> Iterator[None]:
    """A command that a test runs in this process must not decide who may read later files."""
    before = current_mask()
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def logging_is_restored() -> Iterator[None]:
    """A command that a test runs in this process must not set up logging for the next test."""
    logger, variable = logging.getLogger(logs.ROOT), os.environ.get(logs.VARIABLE)
    before = logger.level, logger.handlers, logger.propagate
    hooks = sys.excepthook, threading.excepthook
    yield
    logger.level, logger.handlers, logger.propagate = before
    sys.excepthook, threading.excepthook = hooks
    os.environ.pop(logs.VARIABLE, None)
    if variable is not None:
        os.environ[logs.VARIABLE] = variable


def _is_new(child: psutil.Process, own: psutil.Process, before: set[int]) -> bool:
    """Whether a test has started it: not what an older child, such as a browser, has started."""
    try:
        while child.pid != own.pid:
            if child.pid in before:
                return False
            parent = child.parent()
            if parent is None:
                return True
            child = parent
    except psutil.Error:
        return False
    return True


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import long files where they are left out: it takes seconds."""
    is_left_out = config.option.markexpr == "not long" and _is_long(collection_path)
    return True if is_left_out else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of long files."""
    if _is_long(item.path):
        item.add_marker(pytest.mark.long)


def _is_long(path: Path) -> bool:
    return path.stem in LONG and path.parent.name in ("e2e", "integration")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, so that no worker has one left over at the end."""
    lengths: dict[Path, tuple[float, bool]] = {}
    for item in items:
        timeout = item.get_closest_marker("timeout")
        length = (timeout.args[0] if timeout else 0.0, item.get_closest_marker("slow") is not None)
        lengths[item.path] = max(length, lengths.get(item.path, length))
    items.sort(key=lambda item: lengths[item.path], reverse=True)


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of the face clips."""
    folder = SHARED / "video"
    if not folder.exists():
        pytest.skip("../shared/data/video is not here")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of small inputs that went wrong once."""
    folder = SHARED.parent / "cases"
    if not folder.exists():
        pytest.skip("../shared/cases is not here")
    return folder


@pytest.fixture
def as_root() -> None:
    """Skip a test that needs root."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, as_root: None, tmp_path: Path) -> Iterator[Path]:
    """A disk of 500 kB, or of the size that an indirect parameter says."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = getattr(request, "param", "500k")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
