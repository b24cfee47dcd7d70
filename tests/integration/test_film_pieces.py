"""A long film that is cut into pieces gives, to the last digit, the tables of the whole."""

import csv
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import name_sources
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.analysis.film_pieces import JoinedPieces, Piece, cut_film, measure_piece
from affectline.services.supervisor.plan import complete
from tests.conftest import SHARED
from tests.integration.test_archive import OF_THE_CLOCK, tables
from tests.pipelines import run
from tests.ray_archive import MEASURED
from tests.ray_cluster import two_nodes

TWO_PEOPLE = ("carphone.mp4", "expressive_woman.mp4", "smiling_man.mp4")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 22 s with cuts, faces that come and go, and a key frame each second."""
    clips = [SHARED / "video" / name for name in TWO_PEOPLE]
    if not all(clip.is_file() for clip in clips):
        pytest.skip("needs the face clips in ../shared/data/video")
    path = tmp_path_factory.mktemp("film") / "long.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=30, options={"g": "30", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        number = 0
        for clip in clips:
            with av.open(str(clip)) as read:
                for frame in read.decode(video=0):
                    small = frame.reformat(480, 270, "yuv420p")
                    small.pts, small.time_base = number, Fraction(1, 30)
                    made.mux(stream.encode(small))
                    number += 1
        made.mux(stream.encode())
    return path


def analyse(film: Path, out: Path, joined: JoinedPieces | None = None) -> list[dict[str, str]]:
    settings = PipelineSettings()
    chosen = {
        "sources": name_sources([str(film)]), "delivery": "lossless", "pace": "fast",
        "sink": settings.sink.model_copy(update={"out": out, "display": None}),
    }  # fmt: skip
    run = complete(settings.model_copy(update=chosen))
    DirectRun(run, prepare=joined.prepare if joined else lambda _: None).run()
    with (out / "emotions.csv").open(newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in OF_THE_CLOCK and not k.endswith("_at")}
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def whole(film: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return analyse(film, tmp_path_factory.mktemp("whole") / "session")


@pytest.mark.slow
def test_the_joined_pieces_are_the_whole(
    film: Path, whole: list[dict[str, str]], tmp_path: Path
) -> None:
    pieces = cut_film(film, 4, least_s=4.0, overlap_s=3.0)
    assert len(pieces) == 4
    assert all(60 < piece.begin - piece.key.number < 150 for piece in pieces[1:])
    measured = [measure_piece(film, piece, PipelineSettings()) for piece in pieces]
    joined = JoinedPieces(pieces, lambda number: measured[number])
    assert analyse(film, tmp_path / "joined", joined) == whole
    # What is not found is measured again, and would be right as well: it only takes time
    assert joined.faces.found > 6 * joined.faces.measured
    assert joined.scores.found > 6 * joined.scores.measured


@pytest.mark.slow
def test_a_piece_that_fails_and_one_of_another_film_do_no_harm(
    film: Path, whole: list[dict[str, str]], tmp_path: Path
) -> None:
    end = Piece(cut_film(film, 4, 4.0)[0].key, 0, 40)
    (other,) = [measure_piece(SHARED / "video" / "smiling_man.mp4", end, PipelineSettings())]
    pieces = cut_film(film, 2, least_s=4.0)
    joined = JoinedPieces(pieces, lambda number: None if number else other)
    assert analyse(film, tmp_path / "joined", joined) == whole
    assert joined.faces.found == joined.scores.found == 0


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_pieces_on_a_cluster_that_loses_a_node(film: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra [ray]")
    here, there = tmp_path / "here", tmp_path / "there"
    assert run("analyse", str(film), "--out", str(here)).returncode == 0
    with two_nodes() as (cluster, second):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_archive", str(there), "4", str(film)],
            env={**os.environ, "RAY_ADDRESS": cluster.address},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            # One piece is there to be lost, or the other is being measured
            assert any(MEASURED in line for line in process.stdout), "no piece was measured"
            cluster.remove_node(second, allow_graceful=False)
            process.communicate(timeout=400)
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()
    assert tables(there) == tables(here)
