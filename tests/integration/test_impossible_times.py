"""A film that is dated long after the present ends its run with a reason, instead of in silence."""

import subprocess
from pathlib import Path

import yaml

from tests.chaos.film import write_film
from tests.pipelines import up


def run_film(folder: Path, start: str) -> "subprocess.CompletedProcess[str]":
    film = write_film(folder / "film.mp4", 30)
    settings = folder / "settings.yaml"
    settings.write_text(
        yaml.safe_dump({"sources": [{"name": "film", "source": str(film), "start": start}]})
    )
    return up("--config", str(settings), "--out", str(folder / "out"))


def test_a_film_of_the_future_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run_film(tmp_path, "2199-06-01T12:00:00+00:00")
    assert done.returncode == 1
    assert "2199-06-01, more than a day in the future" in done.stderr
    assert "check this machine's clock and the start of the source" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_film_of_long_ago_is_analysed(tmp_path: Path) -> None:
    done = run_film(tmp_path, "1971-06-01T12:00:00+00:00")
    assert done.returncode == 0, done.stderr
