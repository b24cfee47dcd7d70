"""Archives whose films and results are in an object store: a real S3 server on this machine."""

import csv
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.films import film
from tests.integration.test_archive import tables
from tests.pipelines import run

pytest.importorskip("s3fs", reason="needs the extra [ray]")
pytest.importorskip("moto.server", reason="needs moto[s3] and flask")


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """The environment with which a local S3 server with an empty bucket is found."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    moto.stop()


@pytest.fixture
def store(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import s3fs

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    files.mkdir("study")
    yield files
    files.close_session(files.loop, files.s3)


def test_films_and_results_may_be_in_a_store(
    server: dict[str, str], store: Any, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name, frames in (("a", 12), ("b", 7)):
        film(films / f"{name}.mp4", frames)
        store.put_file(str(films / f"{name}.mp4"), f"study/films/{name}.mp4")
    store.pipe_file("study/films.csv", b"film,condition\nfilms/a.mp4,rain\nfilms/none.mp4,sun\n")
    here = tmp_path / "here"
    run("analyse", str(films / "a.mp4"), str(films / "b.mp4"), "--out", str(here))

    out = "s3://study/results"
    done = run("analyse", "s3://study/films", "--out", out, env=server)
    assert done.returncode == 0, done.stderr
    assert "2 films analysed, 0 in part, 0 failed: 19 frames" in done.stdout
    assert f"{out}/summary.csv" in done.stdout
    there = tmp_path / "there"
    store.get("study/results", str(there), recursive=True)
    assert without_place(tables(there)) == without_place(tables(here))
    assert store.exists("study/results/sessions/a/film.json")

    # Without the file that comes last a session is not trusted, nor is it kept
    store.rm_file("study/results/sessions/a/film.json")
    store.pipe_file("study/results/sessions/a/rest.csv", b"half")
    again = run("analyse", "s3://study/films", "--out", out, "--resume", env=server)
    assert again.returncode == 0, again.stderr
    assert "1 of 2 are done" in again.stderr
    assert store.exists("study/results/sessions/a/film.json")
    assert not store.exists("study/results/sessions/a/rest.csv")
    assert (
        "an archive already exists there"
        in run("analyse", "s3://study/films", "--out", out, env=server).stderr
    )

    listed = run("analyse", "s3://study/films.csv", "--out", "s3://study/listed", env=server)
    assert listed.returncode == 1
    summary = read(store, "study/listed/summary.csv")
    assert [(row["film"], row["condition"], row["frames"]) for row in summary] == [
        ("a", "rain", "12")
    ]
    (failed,) = read(store, "study/listed/failed.csv")
    assert failed["reason"] == "s3://study/films/none.mp4: not found: check the name"
    assert not list(Path("/tmp").glob("affectline-*/none.mp4"))


def test_a_store_that_does_not_answer_is_named(tmp_path: Path, server: dict[str, str]) -> None:
    gone = {**server, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = run("analyse", "s3://study/a.mp4", "--out", str(tmp_path / "out"), env=gone)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "s3://study/a.mp4: " in done.stderr
    assert "AWS_ENDPOINT_URL" in done.stderr


def without_place(found: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
    """Tables but for where the films are."""
    return {
        name: [{k: v for k, v in row.items() if k != "source"} for row in listed]
        for name, listed in found.items()
    }


def read(store: Any, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(store.cat_file(path).decode())))
