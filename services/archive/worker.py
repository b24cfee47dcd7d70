"""The main program of a worker: analyses the films that it receives, one by one.

Its only argument is the number of an inherited socket. Films arrive as JSON; progress and results
go back as JSON. It exits as soon as the other end closes, even in the middle of a film.
"""

import contextlib
import json
import os
import select
import sys
import threading
from multiprocessing.connection import Connection
from typing import Final

from affectline.common import logs
from affectline.services.archive.film_run import run_film
from affectline.services.archive.film_task import FilmResult, FilmTask

NICE: Final = 5
"""Niceness of workers, so that they do not slow down other work on the machine."""


def work(connection: "Connection[bytes, bytes]") -> None:
    """Analyse received films until the other end closes."""
    while True:
        task = FilmTask.model_validate_json(connection.recv_bytes())

        def report(done: int, total: int | None, name: str = task.name) -> None:
            connection.send_bytes(json.dumps({"name": name, "done": done, "total": total}).encode())

        try:
            result = run_film(task, report)
        except BrokenPipeError:
            raise
        except OSError as error:  # a disk error, which only this process can report
            problem = f"{task.folder}: {error.strerror or error}"
            result = FilmResult(
                name=task.name, source=task.source, columns=task.columns, problem=problem
            )
        connection.send_bytes(result.model_dump_json().encode())


def end_with(number: int) -> None:
    """Exit this process as soon as the other end of a socket closes.

    A film that nobody waits for must not be finished: a resumed run may be analysing it already.
    """
    poll = select.poll()
    poll.register(number, 0)  # hang-ups are always reported
    poll.poll()
    os._exit(1)


def main() -> None:
    """Run a worker."""
    logs.configure()
    os.nice(NICE)
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        work(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
