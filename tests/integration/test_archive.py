"""Archives: every film once, whatever happens to some of them, and tables over all."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from affectline.common.atomic_file import partial_path
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.archive import Archive
from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_list import list_films
from affectline.services.archive.film_task import FilmResult
from affectline.services.archive.local_engine import LocalEngine
from tests.films import film
from tests.pipelines import AFFECTLINE, run
from tests.studies import write_table
from tests.timed_films import join, timed_film

OF_THE_CLOCK = ("epoch", "blink_at", "at")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two films of one name, one below, one that is no film, and one that is cut off."""
    folder = tmp_path / "films"
    for place in ("day1", "day2", "day2/more"):
        (folder / place).mkdir(parents=True)
    film(folder / "day1/drive.mp4", 12)
    film(folder / "day2/drive.mp4", 8)
    film(folder / "day2/more/walk.mp4", 5)
    (folder / "day1/bad.mkv").write_text("no film")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tables(archive: Path) -> dict[str, list[dict[str, str]]]:
    """Everything that an archive says, but for when it was made."""
    found = {"summary": rows(archive / "summary.csv")}
    for session in sorted((archive / "sessions").iterdir()):
        for table in sorted(session.glob("*.csv")):
            found[f"{session.name}/{table.name}"] = [
                {k: v for k, v in row.items() if k not in OF_THE_CLOCK and not k.endswith("_at")}
                for row in rows(table)
            ]
    return found


def test_a_folder_is_analysed_whole_and_one_bad_film_stops_nothing(
    films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("analyse", str(films), "--out", str(out), "--workers", "2")
    assert done.returncode == 1
    assert "3 films analysed, 0 in part, 1 failed: 25 frames" in done.stdout
    assert "2 workers on" in done.stderr
    assert "bad.mkv: not a video" in done.stderr
    summary = rows(out / "summary.csv")
    assert [row["film"] for row in summary] == ["day1-drive", "day2-drive", "walk"]
    assert [row["frames"] for row in summary] == ["12", "8", "5"]
    (failed,) = rows(out / "failed.csv")
    assert failed["source"].endswith("day1/bad.mkv")
    assert "not a video" in failed["reason"]
    read = pq.read_table(out / "summary.parquet").to_pylist()
    assert [row["frames"] for row in read] == [12, 8, 5]
    for name in ("day1-drive", "day2-drive", "walk"):
        assert json.loads((out / "sessions" / name / "session.json").read_text())["streams"]
        assert (out / "sessions" / name / "emotions.csv").stat().st_mode & 0o077 == 0
    assert not (out / "sessions/bad").exists()

    again = run("analyse", str(films), "--out", str(out))
    assert again.returncode == 1
    assert "an archive already exists there: resume it with --resume" in again.stderr
    before = (out / "sessions/walk/film.json").stat().st_mtime_ns
    resumed = run("analyse", str(films), "--out", str(out), "--resume")
    assert "3 of 4 are done" in resumed.stderr
    assert rows(out / "summary.csv") == summary
    assert (out / "sessions/walk/film.json").stat().st_mtime_ns == before


def test_one_worker_and_two_write_the_same_tables_as_up(films: Path, tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        archive = Archive(out, list_films([str(films)]), PipelineSettings(), resume=False)
        archive.run(LocalEngine(workers))
        found.append(tables(out))
    assert found[0] == found[1]
    assert len(found[0]["day1-drive/emotions.csv"]) == 12


def test_columns_of_one_s_own_travel_into_every_result(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 5)
    film(tmp_path / "b, second.mp4", 5)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    write_table(tmp_path / "sensors.csv", 2)
    table = (tmp_path / "sensors.csv").read_text()
    table = table.replace("heart_rate_bpm,eda_us", "heart_rate,skin_conductance")
    (tmp_path / "sensors.csv").write_text(table)
    (tmp_path / "films.csv").write_text(
        "Film;participant;condition;start;sensors;car\n"
        "a.mp4;07;rain;2026-11-28T10:15:00+01:00;sensors.csv;=red\n"
        '"b, second.mp4";08;sun;;;blue\n'
        "broken.mp4;09;sun;;;green\n"
    )
    out = tmp_path / "out"
    done = run("analyse", str(tmp_path / "films.csv"), "--out", str(out))
    assert done.returncode == 1, done.stderr
    first, second = rows(out / "summary.csv")
    assert (first["participant"], first["condition"], first["car"]) == ("07", "rain", "'=red")
    assert (second["participant"], second["car"]) == ("08", "blue")
    assert pq.read_table(out / "summary.parquet").to_pylist()[0]["participant"] == "07"
    (failed,) = rows(out / "failed.csv")
    assert (failed["participant"], failed["car"]) == ("09", "green")
    session = json.loads((out / "sessions/a/session.json").read_text())
    assert session["study"] == {"participant": "07", "condition": "rain", "car": "=red"}
    assert session["session_start_utc"].startswith("2026-11-28T09:15:00")
    samples = rows(out / "sessions/a/samples.csv")
    assert {row["subject"] for row in samples} == {"07"}
    assert {row["signal"] for row in samples} == {"heart_rate", "skin_conductance"}


def test_what_is_cut_off_is_kept_and_said(tmp_path: Path) -> None:
    source = tmp_path / "cut.avi"
    whole = film(tmp_path / "whole.avi", 100)
    data = whole.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    whole.unlink()
    out = tmp_path / "out"
    done = run("analyse", str(source), "--out", str(out))
    assert done.returncode == 1
    assert "0 films analysed, 1 in part, 0 failed" in done.stdout
    (row,) = rows(out / "summary.csv")
    assert row["end"] == "truncated"
    assert 0 < int(row["frames"]) < 100
    (failed,) = rows(out / "failed.csv")
    assert failed["kept_frames"] == row["frames"]
    assert "cut.avi" in failed["reason"]


def test_what_is_unusual_about_a_whole_film_is_said_and_is_no_failure(tmp_path: Path) -> None:
    parts = [
        timed_film(tmp_path / f"{name}.ts", range(begins, begins + 400, 40))
        for name, begins in (("a", 0), ("b", 3_600_000))
    ]
    path = join(tmp_path / "joined.ts", *parts)
    done = run("analyse", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "1 film analysed, 0 in part, 0 failed: 20 frames" in done.stdout
    assert "joined.ts: 1 jump in its time stamps closed up" in done.stderr
    assert len((tmp_path / "out/failed.csv").read_text().splitlines()) == 1


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*AFFECTLINE, "analyse", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def wait_for(condition: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_run_that_is_killed_or_interrupted_is_resumed_without_trusting_half_folders(
    how: str, tmp_path: Path
) -> None:
    source = tmp_path / "films"
    source.mkdir()
    for number in range(4):
        film(source / f"{number}.mp4", 150)
    out, whole = tmp_path / "out", tmp_path / "whole"
    archive = Archive(whole, list_films([str(source)]), PipelineSettings(), resume=False)
    archive.run(LocalEngine(1))

    process = start(str(source), "--out", str(out), "--workers", "1")
    wait_for((out / "sessions/0/film.json").exists)
    wait_for(lambda: any((out / "sessions").glob(".*.part/emotions.csv")))
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(getattr(signal, how))
    _, stderr = process.communicate(timeout=20)
    if how == "SIGINT":
        assert process.returncode == 130
        assert f"resume with the same command and --out {out} --resume" in stderr
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers end with the one who started them"
    complete = {path.name for path in (out / "sessions").iterdir() if path.name[0] != "."}
    assert 1 <= len(complete) < 4

    # What a run of before, or a power failure, may have left
    half = out / "sessions/3"
    half.mkdir(exist_ok=True)
    (half / "emotions.csv").write_text("time_s\n")
    done = run("analyse", str(source), "--out", str(out), "--resume", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert tables(out) == tables(whole)
    assert not list((out / "sessions").glob(".*"))


@pytest.mark.timeout(120)
def test_a_worker_that_is_killed_is_replaced_and_its_film_tried_once_more(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / f"{name}.mp4", 120)
    archive = Archive(
        tmp_path / "out", list_films([str(tmp_path)]), PipelineSettings(), resume=False
    )
    engine = LocalEngine(2)
    killed: list[str] = []

    def observe(message: FilmProgress | FilmResult) -> None:
        if isinstance(message, FilmProgress) and message.name == "b" and message.total:
            (worker,) = (w for w in engine._running if w.task and w.task.name == "b")
            killed.append(message.name)
            worker.kill()

    results = archive.run(engine, observe)
    assert len(killed) == 2, "once more, and no more"
    assert [bool(one.problem) for one in results] == [False, True, False]
    assert "b.mp4: the process that analysed it was killed by SIGKILL" in results[1].problem
    assert [row["film"] for row in rows(tmp_path / "out/summary.csv")] == ["a", "c"]
    killed.append("no more")
    again = Archive(tmp_path / "out", list_films([str(tmp_path)]), PipelineSettings(), resume=True)
    assert [task.name for task in again.waiting] == ["b"]
    assert not any(one.problem for one in again.run(LocalEngine(1)))


def test_a_film_that_has_changed_or_is_asked_for_in_another_way_is_analysed_again(
    films: Path, tmp_path: Path
) -> None:
    shutil.rmtree(films / "day1")
    out = tmp_path / "out"
    archive = Archive(out, list_films([str(films)]), PipelineSettings(), resume=False)
    archive.run(LocalEngine(1))
    film(films / "day2/drive.mp4", 9)
    film(films / "new.mp4", 3)
    resumed = Archive(out, list_films([str(films)]), PipelineSettings(), resume=True)
    assert [task.name for task in resumed.changed] == ["drive"]
    assert {task.name for task in resumed.waiting} == {"drive", "new"}
    resumed.run(LocalEngine(1))
    assert {row["film"]: row["frames"] for row in rows(out / "summary.csv")} == {
        "drive": "9", "walk": "5", "new": "3",
    }  # fmt: skip
    other = PipelineSettings.model_validate({"detector": {"backend": "haar"}})
    changed = Archive(out, list_films([str(films)]), other, resume=True)
    assert len(changed.waiting) == 3


def test_a_film_whose_sensors_were_put_right_is_analysed_again(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 3)
    heart = tmp_path / "heart.csv"
    heart.write_text("time_s,heart_rate\n0,70\n")
    (tmp_path / "films.csv").write_text("film,sensors\na.mp4,heart.csv\n")
    films, out = list_films([str(tmp_path / "films.csv")]), tmp_path / "out"
    Archive(out, films, PipelineSettings(), resume=False).run(LocalEngine(1))
    assert not Archive(out, films, PipelineSettings(), resume=True).waiting
    heart.write_text("time_s,heart_rate\n0,170\n")
    again = Archive(out, films, PipelineSettings(), resume=True)
    assert [task.name for task in again.changed] == ["a"]


def test_what_is_wrong_with_sensors_names_their_film(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 3)
    (tmp_path / "heart.csv").write_text("time_s,heart_rate\n")
    (tmp_path / "films.csv").write_text("film,sensors\na.mp4,heart.csv\n")
    done = run("analyse", str(tmp_path / "films.csv"), "--out", str(tmp_path / "out"))
    assert "0 films analysed, 0 in part, 1 failed" in done.stdout
    (failed,) = rows(tmp_path / "out/failed.csv")
    assert failed["reason"].startswith(f"{tmp_path}/a.mp4: --file {tmp_path}/heart.csv: no row")


def test_a_session_of_which_something_is_missing_is_made_anew(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / f"{name}.mp4", 3)
    films, out = list_films([str(tmp_path)]), tmp_path / "out"
    Archive(out, films, PipelineSettings(), resume=False).run(LocalEngine(1))
    (out / "sessions/a/emotions.csv").unlink()
    with (out / "sessions/b/emotions.csv").open("r+") as table:
        table.truncate(100)
    (out / "sessions/c/edits.json").write_text("{}")  # what is added later does no harm
    resumed = Archive(out, films, PipelineSettings(), resume=True)
    assert [task.name for task in resumed.changed] == ["a", "b"]
    resumed.run(LocalEngine(1))
    assert len(rows(out / "sessions/a/emotions.csv")) == 3
    assert len(rows(out / "sessions/b/emotions.csv")) == 3


def test_an_archive_that_others_are_added_to_keeps_the_names_of_all(tmp_path: Path) -> None:
    for day, frames in (("day1", 3), ("day2", 4), ("day3", 5)):
        (tmp_path / day).mkdir()
        film(tmp_path / day / "drive.mp4", frames)
    out = tmp_path / "out"
    for day in ("day1", "day2", "day3"):
        done = run("analyse", str(tmp_path / day), "--out", str(out), "--resume")
        assert done.returncode == 0, done.stderr
    assert "2 sessions of films that are not listed now stay, and are not in the tables" in (
        done.stderr
    )
    found = {p.name: len(rows(p / "emotions.csv")) for p in (out / "sessions").iterdir()}
    assert found == {"drive": 3, "day2-drive": 4, "day3-drive": 5}
    everything = ("analyse", *(str(tmp_path / f"day{n}") for n in (1, 2, 3)))
    done = run(*everything, "--out", str(out), "--resume")
    assert "3 of 3 are done" in done.stderr
    assert len(rows(out / "summary.csv")) == 3


def test_two_runs_of_one_archive_do_not_meet(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 2000)
    out = tmp_path / "out"
    first = start(str(tmp_path), "--out", str(out))
    wait_for(lambda: partial_path(out / "sessions/a").exists())
    second = run("analyse", str(tmp_path), "--out", str(out), "--resume")
    assert second.returncode == 1
    assert (
        "another affectline analyse is running there: wait until it has finished" in second.stderr
    )
    workers = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.communicate()
    psutil.wait_procs(workers, timeout=10)
    assert not any(worker.is_running() for worker in workers)
    assert run("analyse", str(tmp_path), "--out", str(out), "--resume").returncode == 0


def test_a_full_disk_is_said_for_its_film_and_leaves_nothing_under_a_final_name(
    tmp_path: Path,
) -> None:
    film(tmp_path / "a.mp4", 5)
    archive = Archive(
        tmp_path / "out", list_films([str(tmp_path / "a.mp4")]), PipelineSettings(), resume=False
    )
    (tmp_path / "out/sessions").mkdir(parents=True)
    partial_path(archive.tasks[0].folder).write_text("a file where the folder would go")
    (result,) = archive.run(LocalEngine(1))
    assert result.problem
    assert not archive.tasks[0].folder.exists()


BAD_TABLES = {
    "start.csv": "film,start\nfilm.mp4,yesterday\n",
    "hides.csv": "film,valence\nfilm.mp4,2\n",
    "subject.csv": "film,subject\nfilm.mp4,anna\n",
    "twice.csv": "film,car\nfilm.mp4,red\nfilm.mp4,blue\n",
    "cases.csv": "film,participant,Participant\nfilm.mp4,07,08\n",
    "open.csv": 'film,note\nfilm.mp4,"tired\nother.mp4,awake\n',
    "long.csv": f"film,note\nfilm.mp4,{'a' * 200_000}\n",
    "sensors.csv": "film,sensors\nfilm.mp4,none.csv\n",
}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.mp4",), "PATH nowhere.mp4: no such file or folder"),
        (("*.mp4",), "PATH *.mp4: matches nothing"),
        ((".",), "no film below it"),
        (("films.csv",), "no column with films in its header (name, car)"),
        (("0",), "PATH 0: a camera or network stream, which never ends"),
        (("film.mp4", "--resume"), "--resume without --out"),
        (("film.mp4", "--out", "films.csv"), "--out films.csv: not a folder"),
        (("film.mp4", "--out", "."), "--out .: not empty and not an archive"),
        (
            ("start.csv",),
            "start.csv, line 2: start: not a date with an offset from UTC, such as 2026",
        ),
        (
            ("hides.csv",),
            "PATH hides.csv, line 2: a column is called valence, like a column of the summary",
        ),
        (("subject.csv",), "a column is called subject, like a column of the summary: call"),
        (("film.mp4", "--detector", "eyes"), "--detector eyes: there is no backend 'eyes': there"),
        (
            ("twice.csv",),
            "PATH twice.csv, line 3: film.mp4 is also listed in twice.csv, line 2, with different",
        ),
        (("cases.csv",), "PATH cases.csv: two columns are called participant: rename one"),
        (("open.csv",), "PATH open.csv, line 3: unexpected end of data: quote cells"),
        (("long.csv",), "PATH long.csv, line 2: field larger than field limit"),
        (("sensors.csv",), "PATH sensors.csv, line 2: sensors none.csv: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_with_the_way_out(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "films.csv").write_text("name,car\na,red\n")
    if "." not in arguments[:1]:
        film(folder / "film.mp4", 2)
        for name, text in BAD_TABLES.items():
            (folder / name).write_text(text)
    if arguments == ("*.mp4",):
        (folder / "film.mp4").unlink()
    done = run("analyse", *arguments, cwd=folder, env=os.environ)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(folder.glob("analysis-*"))
