"""Number of frames in an archive: known for opened films, estimated for the rest."""

from collections.abc import Iterable

from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_task import FilmResult, FilmTask


class FrameCount:
    """Counts the analysed frames, and estimates how many there are.

    For films not yet opened, the estimate assumes as many frames per byte as in the others.

    Args:
        tasks: The films to analyse.
    """

    def __init__(self, tasks: Iterable[FilmTask]) -> None:
        self._sizes = {task.name: task.size or 0 for task in tasks}
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def observe(self, message: FilmProgress | FilmResult) -> None:
        """Count an engine's message."""
        if isinstance(message, FilmResult):
            self._done[message.name] = self._totals[message.name] = message.frames
            return
        self._done[message.name] = message.done
        if message.total is not None:
            self._totals[message.name] = max(message.done, message.total)

    @property
    def done(self) -> int:
        """Number of analysed frames."""
        return sum(self._done.values())

    @property
    def total(self) -> int | None:
        """Frames of all films; None until one was opened."""
        known_bytes = sum(self._sizes[name] for name in self._totals)
        known = sum(self._totals.values())
        unknown_bytes = sum(self._sizes.values()) - known_bytes
        if not known or not known_bytes:
            return known or None
        return known + round(unknown_bytes * known / known_bytes)
