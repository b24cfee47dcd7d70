"""Runs films as tasks of a Ray cluster.

The cluster must be running already: ``RAY_ADDRESS`` gives its address, as for Ray's tools. Each
host has this package, sees films and results under the same paths (or both are in a store), and
runs one film per core at a time. If a film's process or host dies, the film is retried elsewhere.

If there are fewer films than cores, long ones are cut: their pieces are measured in parallel, and
joined by a run of the whole film that finds its measurements done (`film_pieces`).
"""

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

from affectline.common.errors import AffectlineError, first_line
from affectline.common.extras import require_extra
from affectline.services.analysis.film_pieces import (
    LEAST_S,
    JoinedPieces,
    Piece,
    PieceMeasurements,
    cut_film,
    measure_piece,
)
from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_run import film_path, remove_remains, run_film
from affectline.services.archive.film_task import FilmResult, FilmTask

CORES: Final = 1
"""Cores requested for a film. It reads, detects and classifies in three threads, which together
keep about one and a half cores busy, so cores do not idle while other films are being read."""
MEMORY: Final = 500_000_000
"""Bytes that a film may need, as for local workers."""
RETRIES: Final = 3
"""How often a film is retried if its process or host dies."""
AHEAD: Final = 4
"""Films queued in the cluster per core: an autoscaler adds hosts for them."""
LOOK_S: Final = 0.5


class RayEngine:
    """Runs films on a Ray cluster.

    Args:
        workers: Films at a time; None: as many as the cluster has cores.
        least_piece_s: Minimum length of a piece of a long film, in s.

    Raises:
        AffectlineError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, workers: int | None = None, least_piece_s: float = LEAST_S) -> None:
        require_extra("--engine ray", "ray", "ray")
        self._workers, self._least_piece_s = workers, least_piece_s
        self._ray = _connect()
        on_host = self._ray.remote(
            num_cpus=CORES, memory=MEMORY, max_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        self._analyse, self._measure = on_host(analyse_on_host), on_host(measure_on_host)
        self._cut = on_host(cut_on_host)

    @property
    def description(self) -> str:
        hosts = sum(bool(node["Alive"]) for node in self._ray.nodes())
        cores = self._cores
        at_a_time = "" if self._workers is None else f", {self._workers} films at a time"
        return f"{cores} cores on {hosts} host{'s' * (hosts > 1)} of a Ray cluster{at_a_time}"

    @property
    def _cores(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def run(self, tasks: Iterable[FilmTask]) -> Iterator[FilmProgress | FilmResult]:
        waiting = deque(tasks)
        running: dict[Any, FilmTask] = {}
        cutting: set[Any] = set()
        """Of those: films for which cutting is not decided yet."""
        counter = self._ray.remote(num_cpus=0)(FrameCounter).remote()
        share = self._cores // len(waiting) if waiting and self._workers is None else 1
        try:
            while waiting or running:
                while waiting and len(running) < self._most():
                    task = waiting.popleft()
                    if share > 1:
                        asked = self._cut.remote(_json(task), share, self._least_piece_s)
                        cutting.add(asked)
                    else:
                        asked = self._analyse.remote(_json(task), version("affectline"), counter)
                    running[asked] = task
                done, _ = self._ray.wait(list(running), timeout=LOOK_S)
                for reference in done:
                    task = running.pop(reference)
                    if reference in cutting:
                        cutting.remove(reference)
                        running[self._start_joined(reference, task, counter)] = task
                    else:
                        yield self._collect(reference, task)
                yield from self._progress(counter, {task.name for task in running.values()})
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)
            self._ray.shutdown()

    def _start_joined(self, cut: Any, task: FilmTask, counter: Any) -> Any:
        """Start a film's pieces and the run that joins them, or the whole film if it is not cut."""
        pieces: list[Piece] = []
        with contextlib.suppress(self._ray.exceptions.RayError):
            pieces = self._ray.get(cut)
        # In a list, Ray passes references, not values, so that one is fetched at a time
        measured = [self._measure.remote(_json(task), piece) for piece in pieces]
        return self._analyse.remote(_json(task), version("affectline"), counter, pieces, measured)

    def _most(self) -> int:
        return self._workers if self._workers is not None else AHEAD * max(1, self._cores)

    def _collect(self, reference: Any, task: FilmTask) -> FilmResult:
        try:
            result = FilmResult.model_validate_json(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            problem = f"{task.source}: {type(cause).__name__}, {first_line(cause)}"
            result = FilmResult(
                name=task.name, source=task.source, columns=task.columns, problem=problem
            )
        if not task.upload:
            remove_remains(task)
        return result

    def _progress(self, counter: Any, names: set[str]) -> Iterator[FilmProgress]:
        """Progress of the films; nothing if the counter's host is gone, as it is only displayed."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            told = self._ray.get(counter.pop_news.remote(), timeout=LOOK_S)
            yield from (FilmProgress(*one) for one in told if one[0] in names)


class FrameCounter:
    """Collects the progress of the tasks; lives in the cluster."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, int, int | None]] = {}

    def put(self, name: str, done: int, total: int | None) -> None:
        """Store a film's progress."""
        self._told[name] = (name, done, total)

    def pop_news(self) -> list[tuple[str, int, int | None]]:
        """Return the progress stored since the last call."""
        told, self._told = list(self._told.values()), {}
        return told


def cut_on_host(text: str, most: int, least_s: float) -> list[Piece]:
    """Plan the pieces of a film on a host of the cluster; none if it stays whole."""
    task = FilmTask.model_validate_json(text)
    with contextlib.suppress(AffectlineError), film_path(task) as path:
        return cut_film(path, most, least_s)
    return []  # the analysis will report any problem


def measure_on_host(text: str, piece: Piece) -> PieceMeasurements | None:
    """Measure a piece of a film on a host of the cluster; None if that fails."""
    task = FilmTask.model_validate_json(text)
    with contextlib.suppress(AffectlineError), film_path(task) as path:
        return measure_piece(path, piece, task.settings)
    return None


def analyse_on_host(
    text: str,
    wanted: str,
    counter: Any,
    pieces: Sequence[Piece] = (),
    measured: Sequence[Any] = (),
) -> str:
    """Analyse a film on a host of the cluster.

    Args:
        text: The task, as JSON.
        wanted: The version of this package that wrote the task.
        counter: The `FrameCounter` that receives the progress.
        pieces: The pieces of the film, if it was cut.
        measured: References to the measurements of the pieces.
    """
    from affectline.common import logs

    logs.configure()
    task = FilmTask.model_validate_json(text)
    if (here := version("affectline")) != wanted:
        problem = f"{task.source}: this host has affectline {here}, but the archive has {wanted}"
        failed = FilmResult(
            name=task.name, source=task.source, columns=task.columns, problem=problem
        )
        return failed.model_dump_json()
    last = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= LOOK_S:
            last = time.monotonic()
            counter.put.remote(task.name, done, total)

    joined = JoinedPieces(pieces, lambda number: _fetch(measured[number]))
    prepare = joined.prepare if pieces else lambda _: None
    try:
        return run_film(task, report, is_alone=False, prepare=prepare).model_dump_json()
    except OSError as error:
        problem = f"{task.folder}: {error.strerror or error}"
        failed = FilmResult(
            name=task.name, source=task.source, columns=task.columns, problem=problem
        )
        return failed.model_dump_json()


def _fetch(reference: Any) -> PieceMeasurements | None:
    """Wait for a piece that is measured on any host; None if it failed."""
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        found: PieceMeasurements | None = ray.get(reference)
        return found
    return None


def _json(task: FilmTask) -> str:
    return task.model_dump_json()


def _connect() -> Any:
    # No usage statistics are sent from here; its own settings decide for the cluster's hosts
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    address = os.environ.get("RAY_ADDRESS", "auto")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise AffectlineError(
            f"--engine ray: no cluster answers at {address}",
            "start one (ray start --head), and set RAY_ADDRESS to its address",
        ) from error
    return ray
