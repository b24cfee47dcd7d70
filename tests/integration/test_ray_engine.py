"""Archives on a real Ray cluster of two nodes, one of which is killed in the middle."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.films import film
from tests.integration.test_archive import rows, tables
from tests.pipelines import AFFECTLINE, run
from tests.ray_cluster import two_nodes

pytest.importorskip("ray", reason="needs the extra [ray]")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Six films, one of which is none."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(1, 6):
        film(folder / f"film{number}.mp4", 300 + number)
    (folder / "bad.mp4").write_text("no film")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_every_film_is_done_once_although_a_node_is_killed(films: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert run("analyse", str(films), "--out", str(here)).returncode == 1
    with two_nodes() as (cluster, second):
        process = subprocess.Popen(
            [*AFFECTLINE, "analyse", str(films), "--out", str(there), "--engine", "ray"],
            env={**os.environ, "RAY_ADDRESS": cluster.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started = there / "sessions"
        try:
            while not (started.is_dir() and len(list(started.glob("..*.part"))) == 2):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            cluster.remove_node(second, allow_graceful=False)
            out, err = process.communicate(timeout=400)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 1, err  # the one that is no film
    assert "2 cores on 2 hosts of a Ray cluster" in err
    assert "5 films analysed, 0 in part, 1 failed" in out
    assert tables(there) == tables(here)
    assert [row["film"] for row in rows(there / "summary.csv")] == [f"film{n}" for n in range(1, 6)]
    assert not [one for one in started.iterdir() if one.name.startswith(".")]
