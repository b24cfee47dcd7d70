"""The interface of engines, which run an archive's films locally or on a cluster."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from affectline.services.archive.film_task import FilmResult, FilmTask


class FilmProgress(NamedTuple):
    """Progress of a film."""

    name: str
    done: int
    """Number of analysed frames."""
    total: int | None
    """Number of frames in the film; None if its container does not tell."""


class Engine(Protocol):
    """Runs films, several at a time."""

    @property
    def description(self) -> str:
        """What the engine uses, in words: ``2 workers on 2 cores, up to 0.5 GB each of 22 GB``."""

    def run(self, tasks: Iterable[FilmTask]) -> Iterator[FilmProgress | FilmResult]:
        """Analyse all films; yield their progress, and the result of each film once.

        Closing the iterator abandons unfinished films.
        """
