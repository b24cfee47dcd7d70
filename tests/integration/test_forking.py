"""Processes forked at the start of a run are what they would be if they were started."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from affectline.common.settings.hub import HubSettings
from affectline.services.registry import SPECS
from affectline.services.supervisor import forking
from affectline.services.supervisor.fork_server import FORKED, SERVER
from affectline.services.supervisor.forking import (
    CHILD_MAIN,
    GET_SUBREAPER,
    ROOM,
    ForkedProcess,
    ForkServer,
    adopting_orphans,
    start_process,
)
from affectline.services.supervisor.process import ManagedProcess, ProcessSpec
from tests.pipelines import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
HUB = ProcessSpec(SPECS["hub"], SPECS["hub"].settings())
RANDOM = (
    "import random, numpy.random; from affectline.services.supervisor.fork_server import serve; "
    "serve(); print(random.random(), numpy.random.random())"
)


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with ForkServer() as started:
        yield started


def start_hub(server: ForkServer | None) -> ManagedProcess:
    return ManagedProcess(HUB, HubSettings(port=free_port()), "live", None, server=server)


def wait_until_ready(child: ManagedProcess) -> None:
    until = time.monotonic() + 20
    while not child.ready:
        assert child.poll() is None, child.last_lines
        assert time.monotonic() < until
        time.sleep(0.01)


def is_forked(child: ManagedProcess) -> bool:
    return isinstance(child._popen, ForkedProcess)


def test_it_is_a_child_of_ours_in_all_that_matters(server: ForkServer) -> None:
    child = start_hub(server)
    wait_until_ready(child)
    found = psutil.Process(child.pid)
    words = found.cmdline()
    assert is_forked(child)
    assert found.ppid() == os.getpid()
    assert CHILD_MAIN in words
    assert words[-1] == "hub"
    assert SERVER not in words
    assert os.getsid(child.pid) == child.pid, "Ctrl-C is for the supervisor"
    server.close()
    assert psutil.pid_exists(child.pid), "it outlives its server"
    child.stop()
    assert child.wait(10) == 0


def test_it_is_killed_and_started_again_by_itself(server: ForkServer) -> None:
    child = start_hub(server)
    wait_until_ready(child)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    child.start()
    wait_until_ready(child)
    assert not is_forked(child)
    child.kill()
    assert child.wait(10) == -signal.SIGKILL


def test_its_error_is_relayed_and_its_exit_code_known(server: ForkServer) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = start_process("hub", "hub", theirs, None, server)
        assert isinstance(started, ForkedProcess)
        assert started.stdin
        assert started.stderr
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(0.01)
        with started.stdin, started.stderr:
            started.stdin.write(b"no task")
            started.stdin.close()
            assert b"JSONDecodeError" in started.stderr.read()
        assert started.wait(10) == 1
        assert started.poll() == 1
        started.kill()  # nobody else may have its number by now


def test_it_has_its_own_settings_and_no_more_descriptors_than_it_needs(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFECTLINE_TEST", "later")
    ours, theirs = socket.socketpair()
    before = os.umask(0o027)
    try:
        with ours, theirs:
            started = start_process("hub", "hub", theirs, None, server)
            assert isinstance(started, ForkedProcess)
            found = psutil.Process(started.pid)
            until = time.monotonic() + 20
            while Path(found.cwd()) != tmp_path:  # it prepares itself when we know of it already
                assert time.monotonic() < until
                time.sleep(0.01)
            assert "Umask:\t0027" in Path(f"/proc/{started.pid}/status").read_text()
            assert psutil.Process(started.pid).num_fds() == 4, "three, and the link"
            assert psutil.Process(server.pid).num_fds() == 4, "three, and its requests"
            started.kill()
            assert started.wait(10) == -signal.SIGKILL
            for pipe in (started.stdin, started.stderr):
                assert pipe
                pipe.close()
    finally:
        os.umask(before)


def test_a_start_leaves_no_descriptor_and_no_zombie() -> None:
    before = psutil.Process().num_fds()
    with ForkServer() as server:
        child = start_hub(server)
        wait_until_ready(child)
        child.kill()
        assert child.wait(10) == -signal.SIGKILL
    assert psutil.Process().num_fds() == before
    assert not psutil.Process().children()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_its_server_a_process_is_started_by_itself(server: ForkServer, number: int) -> None:
    first = start_hub(server)
    server._requests.settimeout(0.5)
    os.kill(server.pid, number)
    second = start_hub(server)
    assert is_forked(first)
    assert not is_forked(second)
    for child in (first, second):
        wait_until_ready(child)
        child.stop()
        assert child.wait(10) == 0


def test_a_service_that_starts_threads_is_not_forked(server: ForkServer) -> None:
    assert "dashboard" not in FORKED
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert server.fork("dashboard", "dashboard", theirs, None) is None


def test_what_is_imported_before_a_fork_starts_no_thread_and_opens_nothing() -> None:
    code = (
        "import os; from affectline.services.supervisor.fork_server import FORKED, preload; "
        "said = [preload(kind) for kind in FORKED]; "
        "print(said, len(os.listdir('/proc/self/fd')) - 1); "
        "print([preload('detector', several=True)])"
    )
    lean = {**os.environ, **forking.LEAN}
    done = subprocess.run(
        [sys.executable, "-c", code], env=lean, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[''] * len(FORKED)} 3\n['']\n"


def test_forked_processes_do_not_share_their_random_numbers(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = ForkServer.__new__(ForkServer)
    server._requests, server.several = ours, frozenset()
    server._popen = subprocess.Popen(
        [sys.executable, "-c", RANDOM, ROOM, SERVER],
        stdin=theirs.fileno(),
        env={**os.environ, **forking.LEAN},
    )
    theirs.close()
    printed = set()
    with server:
        for number in range(2):
            link, its = socket.socketpair()
            with link, its, (tmp_path / f"{number}").open("w+") as out:
                made = server.fork("hub", f"hub/{number}", its, out)
                assert made
                assert made.wait(20) == 0
                out.seek(0)
                printed |= {*out.read().split()}
            for pipe in (made.stdin, made.stderr):
                assert pipe
                pipe.close()
    assert len(printed) == 4


def test_orphans_are_adopted_only_during_a_fork() -> None:
    def adopts() -> bool:
        found = ctypes.c_int()
        forking._prctl(GET_SUBREAPER, ctypes.byref(found))
        return bool(found.value)

    assert not adopts()
    with adopting_orphans():
        assert adopts()
    assert not adopts()
