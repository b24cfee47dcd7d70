"""What runs the films of an archive: in worker processes here, or on a cluster."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from affectline.services.archive.film_task import FilmResult, FilmTask


class FilmProgress(NamedTuple):
    """How far a film has come."""

    name: str
    done: int
    """Frames that were analysed."""
    total: int | None
    """Frames that it has, as far as its container tells."""


class Engine(Protocol):
    """Runs films, several at a time."""

    @property
    def description(self) -> str:
        """What it uses, in words: ``2 workers on 2 cores, up to 0.5 GB each of 22 GB``."""

    def run(self, tasks: Iterable[FilmTask]) -> Iterator[FilmProgress | FilmResult]:
        """Analyse all films; yield how far they have come, and of each its result, once.

        When the iterator is closed, what is unfinished is given up.
        """
