"""A table of a sensor that is much longer than the film, and one whose driver falls silent."""

import csv
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.pipelines import Pipeline, up
from tests.studies import write_film, write_study, write_table

POLL_S = 0.02


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Four seconds of film beside 20 minutes of a sensor."""
    folder = tmp_path_factory.mktemp("study")
    path, _ = write_study(folder, film=False, recording={"record": False})
    write_film(folder / "film.mp4", 4)
    return path, write_table(folder / "sensors.csv", 1200)


def samples(session: Path) -> Counter[str]:
    with (session / "samples.csv").open(newline="") as file:
        return Counter(row["signal"] for row in csv.DictReader(file))


@pytest.mark.parametrize("number", [1, 2])
def test_a_table_much_longer_than_the_film_is_complete(
    number: int, study: tuple[Path, int], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = up("--config", str(study[0]), "--pace", "fast", "--out", str(out), timeout=115)
    assert done.returncode == 0, done.stderr
    assert "killed" not in done.stderr
    assert samples(out) == {"heart_rate": 1200, "skin_conductance": 4800}


@contextmanager
def frozen(pipeline: Pipeline, kind: str) -> Iterator[None]:
    """Stop every process of a kind, and those that replace it, as soon as they are there."""
    over = threading.Event()
    stopped: set[int] = set()

    def watch() -> None:
        while not over.wait(POLL_S):
            with suppress(psutil.Error, ProcessLookupError):
                pid = pipeline.pids().get(kind)
                if pid is not None and pid not in stopped:
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.mark.timeout(200)
def test_a_table_whose_driver_stands_still_is_named(tmp_path: Path) -> None:
    config, _ = write_study(tmp_path, recording={"record": False})
    arguments = ("--config", str(config), "--pace", "realtime")
    with Pipeline(tmp_path / "out", *arguments) as pipeline:
        pipeline.wait_for_frame(25, timeout_s=60)
        with frozen(pipeline, "biometrics"):
            pipeline.process.communicate(timeout=110)
        said = pipeline.log()
    assert pipeline.process.returncode == 1, said
    assert "biometrics/anna/csv fell silent before the end" in said
    assert samples(tmp_path / "out")["skin_conductance"] < 32
