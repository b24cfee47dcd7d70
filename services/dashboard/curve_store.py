"""Reads the curves of sessions in the background, and caches them while they are shown."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE
from affectline.services.sessions.session_curves import CurvesReading

KEPT: Final = 12
"""Cached readings of whole sessions and parts of them, each of about 100 kB."""


class ReadingKey(NamedTuple):
    """Identifies a reading: a file that has grown meanwhile has another key."""

    name: str
    span: tuple[float, float] | None
    size: int
    changed_ns: int


class StoredReading:
    """A reading and its task.

    Args:
        reading: The reading, with its result so far.
    """

    def __init__(self, reading: CurvesReading) -> None:
        self.reading = reading
        self.ready = asyncio.Event()
        self.is_stopping = False
        self.problem: AffectlineError | OSError | None = None
        loop = asyncio.get_running_loop()

        def be_ready() -> None:
            with suppress(RuntimeError):  # the loop is closed: the server is stopping
                loop.call_soon_threadsafe(self.ready.set)

        def read() -> None:
            reading.read(lambda: self.is_stopping, be_ready)

        self.task = asyncio.create_task(asyncio.to_thread(read))
        self.task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.problem = (
                error
                if isinstance(error, AffectlineError | OSError)
                else AffectlineError(f"its curves cannot be read ({error})", "see the log")
            )
        self.ready.set()


class CurveStore:
    """Cache of the curves of sessions. Lives in the server's event loop.

    Args:
        find: Returns the folder of a session; raises `AffectlineError` if there is none.
    """

    def __init__(self, find: Callable[[str], Path]) -> None:
        self._find = find
        self._kept: OrderedDict[ReadingKey, StoredReading] = OrderedDict()

    async def read(self, name: str, span: tuple[float, float] | None = None) -> CurvesReading:
        """The curves of a session or a part of it, as far as they have been read.

        Args:
            name: The session.
            span: Begin and end in seconds of the session; None: the whole session, which continues
                to be read.

        Raises:
            AffectlineError: The session does not exist, or cannot be read.
            OSError: The session does not exist, or cannot be read.
        """
        folder = self._find(name)
        about = await asyncio.to_thread((folder / FILE).stat)
        key = ReadingKey(name, span, about.st_size, about.st_mtime_ns)
        if key not in self._kept:
            self._kept[key] = StoredReading(CurvesReading(folder, span))
            await self._forget_oldest()
        self._kept.move_to_end(key)
        stored = self._kept[key]
        if span is None:
            await stored.ready.wait()
        else:
            await asyncio.wait({stored.task})
        if stored.problem is not None:
            self._kept.pop(key, None)
            raise stored.problem
        return stored.reading

    async def _forget_oldest(self) -> None:
        while len(self._kept) > KEPT:
            _, oldest = self._kept.popitem(last=False)
            oldest.is_stopping = True

    async def close(self) -> None:
        """Stop all readings in progress."""
        tasks = [stored.task for stored in self._kept.values()]
        for stored in self._kept.values():
            stored.is_stopping = True
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()
