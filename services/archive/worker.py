"""The main program of a worker: analyses the films that it is sent, one after the other.

Its one argument is the number of an inherited socket. Films come as JSON; progress and results go
back as JSON. It ends as soon as nobody is at the other end, whatever it is at.
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
"""Workers leave the machine to whoever works at it."""


def work(connection: "Connection[bytes, bytes]") -> None:
    """Analyse what is sent, until nobody is at the other end."""
    while True:
        task = FilmTask.model_validate_json(connection.recv_bytes())

        def report(done: int, total: int | None, name: str = task.name) -> None:
            connection.send_bytes(json.dumps({"name": name, "done": done, "total": total}).encode())

        try:
            result = run_film(task, report)
        except BrokenPipeError:
            raise
        except OSError as error:  # the disk: nobody else can say so
            problem = f"{task.folder}: {error.strerror or error}"
            result = FilmResult(
                name=task.name, source=task.source, columns=task.columns, problem=problem
            )
        connection.send_bytes(result.model_dump_json().encode())


def end_with(number: int) -> None:
    """End this process as soon as nobody is at the other end of a socket.

    A film that nobody waits for must not be finished: whoever resumes the archive may be at it.
    """
    poll = select.poll()
    poll.register(number, 0)  # what comes anyhow: it was hung up
    poll.poll()
    os._exit(1)


def main() -> None:
    """Be a worker."""
    logs.configure()
    os.nice(NICE)
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        work(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
