"""The fork server: imports what several processes of a run need once, and forks each of them.

It lives for the start of a run only (`supervisor.forking`), and runs in the process that
`supervisor.child_main` starts. It has one thread, no socket but the one for its requests, and sees
no settings: a child reads its task from a pipe, as it does when it is started by itself.
"""

import gc
import json
import os
import random
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from affectline.common.argument_memory import rewrite_arguments
from affectline.common.errors import AffectlineError
from affectline.common.runtime.supervision import LINK_FD
from affectline.services.registry import SPECS

SERVER: Final = "fork-server"
"""Its name, where other processes have theirs."""
FORKED: Final[dict[str, tuple[str, ...]]] = {
    "hub": (),
    "sink": (),
    "recorder": (),
    "fusion": (),
    "classifier": ("ai_edge_litert.interpreter",),
    "capture": ("av",),
    "detector": (),
    "replay": (),
}
"""Services that it forks, and what each needs besides its stage. Others start threads when they are
imported, or are in few runs. In the order in which it forks them: a process has the pages of all
that was imported before, so the small ones come first."""
SHARED: Final = {"detector": "affectline.common.model.network:prepare_networks"}
"""What several processes of a service share, besides what they import. A single one does that by
itself, while others start."""
REQUEST_BYTES: Final = 1 << 17
DESCRIPTORS: Final = 4
"""Standard input, output and error, and the link to the supervisor."""


def start_order(kind: str) -> int:
    """Where a kind of service stands in the order of a start; those that are not forked are last.

    Args:
        kind: The service.
    """
    return [*FORKED, kind].index(kind)


def serve() -> None:
    """Fork processes on request; return in each of them, and never in the server itself.

    A request at the socket that is our standard input is an object of JSON with four descriptors.
    It is answered with the number of the process, or with the reason why there is none.
    """
    requests = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    preload("sink")  # before anybody asks: every run has one, and all others import what it does
    import_module("affectline.common.wire.kinds").message_kinds()
    while True:
        data, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, DESCRIPTORS)
        if not data:
            os._exit(0)  # there is nothing to finish, and no time to lose
        request: dict[str, Any] = json.loads(data)
        answer = preload(request["kind"], several=request["several"])
        if not answer:
            pid = _fork_twice(request["name"])
            if pid is None:
                requests.close()
                _become(request, descriptors)
                return
            answer = str(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(answer.encode())


def preload(kind: str, *, several: bool = False) -> str:
    """Import what a service needs; return why it cannot be forked, or nothing.

    Args:
        kind: The service.
        several: Several of its processes are started.
    """
    if kind not in FORKED:
        return f"{kind} is not forked"
    for module in (SPECS[kind].stage.partition(":")[0], *FORKED[kind]):
        with suppress(ImportError):  # the process imports it again, and reports why it cannot
            import_module(module)
    if several and kind in SHARED:
        module, _, name = SHARED[kind].partition(":")
        with suppress(ImportError, AffectlineError):  # likewise
            getattr(import_module(module), name)()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        return f"{threads} threads run"  # a forked process would have their locks, not them
    gc.freeze()  # a collection in a child would copy the pages of all objects
    return ""


def _fork_twice(name: str) -> int | None:
    """Fork a process that is nobody's child here; its number, and None in the process itself.

    The one between them ends at once, so the kernel gives the process to the supervisor, which has
    asked for such orphans: it waits for it as for any child of its own.

    Args:
        name: Of the process, which it shows from its first moment.
    """
    reader, writer = os.pipe()
    between = os.fork()
    if between:
        os.close(writer)
        with os.fdopen(reader, "rb") as told:
            number = told.read()
        os.waitpid(between, 0)
        return int(number)
    os.close(reader)
    rewrite_arguments(lambda memory: _renamed(memory, name))
    if pid := os.fork():
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.close(writer)
    return None


def _become(request: dict[str, Any], descriptors: Iterable[int]) -> None:
    """Make a forked process what it would be if it had been started by itself."""
    os.setsid()  # Ctrl-C is for the supervisor
    *standard, link = descriptors
    for target, descriptor in enumerate(standard):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"], **{LINK_FD: str(link)})
    os.umask(request["umask"])
    os.chdir(request["folder"])
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    sys.argv[1:] = [request["name"]]


def _renamed(memory: bytes, name: str) -> bytes:
    """The arguments with another name behind them; blanks before it fill the rest.

    Args:
        memory: Of the server, whose last arguments are blanks and its name.
        name: Of the process.
    """
    words = memory.split(b"\0")[:-3]
    ending = b"\0" + os.fsencode(name) + b"\0"
    beginning = b"\0".join(words) + b"\0"
    return beginning + b" " * (len(memory) - len(beginning) - len(ending)) + ending
