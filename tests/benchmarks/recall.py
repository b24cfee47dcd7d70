"""How many faces each backend finds in films, and how long it takes."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.benchmarks.detector_runs import (
    ClipRun,
    DetectorOptions,
    DetectorRun,
    read_clip,
    run_in_turn,
)
from tests.benchmarks.environment import find_commit
from tests.benchmarks.films import Film
from tests.benchmarks.results import BackendRecall, FilmRecall

ROUNDS: Final = 3
BACKENDS: Final = ("haar", "haar+net", "net")
"""YuNet is left out: its model file is not included."""
PLAIN: Final = tuple(DetectorOptions(backend) for backend in BACKENDS)
FRAMED: Final = tuple(DetectorOptions(backend, landmarks=True) for backend in BACKENDS)


def measure_films(
    films: Sequence[Film], step: Callable[[str], None], rounds: int = ROUNDS
) -> list[FilmRecall]:
    """Look for faces in each film, without landmarks, then with landmarks in every frame.

    Poses and eyes are left out: they do not change which faces are found.

    Args:
        films: They.
        step: Called with the name of each measurement as it begins.
        rounds: How often each film is run without landmarks; with them it is run once, as
            `detector_times` measures what they cost.
    """
    found = []
    for film in films:
        step(f"recall, {film.name}")
        found.append(measure_film(film, rounds))
    return found


def measure_film(film: Film, rounds: int = ROUNDS) -> FilmRecall:
    """Look for faces in a film."""
    clip = read_clip(film.path)
    frames = range(len(clip.frames))
    shown = [i for i in frames if _is_within(i, film.visible)]
    empty = [i for i in frames if _is_within(i, film.none)]

    def run(lanes: Sequence[DetectorOptions], times: int) -> list[BackendRecall]:
        runs = run_in_turn(clip, [DetectorRun(one.settings) for one in lanes], times)
        return [
            _count(one.backend, done, shown, empty) for one, done in zip(lanes, runs, strict=True)
        ]

    return FilmRecall(
        film=film.name, shows=film.shows, source=film.source, is_made=film.is_made,
        size=clip.size, frames=len(frames), shown=len(shown), empty=len(empty),
        rounds=rounds, plain=run(PLAIN, rounds), framed=run(FRAMED, 1),
        commit=find_commit(), date=time.strftime("%Y-%m-%d"),
    )  # fmt: skip


def merge(before: Iterable[FilmRecall], now: Iterable[FilmRecall]) -> list[FilmRecall]:
    """Results of all films by name: new ones, and the last ones of films not at hand."""
    found = {one.film: one for one in (*before, *now)}
    return [found[name] for name in sorted(found)]


def _is_within(number: int, intervals: Iterable[tuple[int, int]]) -> bool:
    return any(first <= number <= last for first, last in intervals)


def _count(backend: str, run: ClipRun, shown: Sequence[int], empty: Sequence[int]) -> BackendRecall:
    return BackendRecall(
        backend=backend, found=sum(bool(run.tracks[i]) for i in shown),
        false_faces=sum(len(run.tracks[i]) for i in empty),
        tracks=len({track for tracks in run.tracks for track in tracks}),
        ms=float(run.frame_ms.mean()),
    )  # fmt: skip
