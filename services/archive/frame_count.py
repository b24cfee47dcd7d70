"""How many frames an archive has: those of films that were opened, and an estimate for the rest."""

from collections.abc import Iterable

from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_task import FilmResult, FilmTask


class FrameCount:
    """Counts the frames that are done, and estimates how many there are.

    Films that nobody has opened yet count by their size: as many frames a byte as in the others.

    Args:
        tasks: The films that are analysed.
    """

    def __init__(self, tasks: Iterable[FilmTask]) -> None:
        self._sizes = {task.name: task.size or 0 for task in tasks}
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def observe(self, message: FilmProgress | FilmResult) -> None:
        """Take note of what an engine says."""
        if isinstance(message, FilmResult):
            self._done[message.name] = self._totals[message.name] = message.frames
            return
        self._done[message.name] = message.done
        if message.total is not None:
            self._totals[message.name] = max(message.done, message.total)

    @property
    def done(self) -> int:
        """Frames that were analysed."""
        return sum(self._done.values())

    @property
    def total(self) -> int | None:
        """Frames of all films; None while none was opened."""
        known_bytes = sum(self._sizes[name] for name in self._totals)
        known = sum(self._totals.values())
        unknown_bytes = sum(self._sizes.values()) - known_bytes
        if not known or not known_bytes:
            return known or None
        return known + round(unknown_bytes * known / known_bytes)
