"""A film and a table of its sensors share one time line, at every pace and in what is made of it.

The case is that of a film of a drive beside its recorded heart rate and skin conductance: both step
up at the same moment of the film.
"""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from affectline.common.recording.reader import RecordedMessage, SessionReader
from affectline.common.settings.pipeline import load
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, sample_times
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.supervisor.plan import complete
from tests.conftest import SHARED
from tests.pipelines import Pipeline, up
from tests.studies import RATE, STEP_S, write_film, write_slow_film, write_study

PACES = (("--pace", "fast"), ("--pace", "realtime"), ("--rate", "4"))
DIRECTLY = ("directly", "in one process")
CLOCK = {
    "received_at", "detected_at", "classified_at", "published_at", "done_at", "epoch",
}  # fmt: skip
"""Fields of messages that tell the clock's time."""
SHIFTED = {"captured_at", "started_at", "ended_at", "at", "session_start"}
"""Fields on the session's time line, which begins at another moment in every run."""
OF_THE_CLOCK = ("received_at", "detected_at", "classified_at", "published_at", "epoch")
ON_THE_LINE = ("captured_at", "at", "blink_at")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(folder: Path) -> tuple[Path, int]:
    return write_study(
        folder, markers=[{"at_s": 3.0, "label": "three"}, {"at_s": 99, "label": "never"}]
    )


@pytest.fixture(scope="module")
def sessions(study: tuple[Path, int], folder: Path) -> dict[tuple[str, str], Path]:
    """The session of each pace."""
    made = {}
    for pace in PACES:
        out = made[pace] = folder / f"out{'-'.join(pace)}"
        done = up("--config", str(study[0]), *pace, "--out", str(out), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["frames"] == 8 * RATE
    out = made[DIRECTLY] = folder / "out-directly"
    settings = load(study[0])
    sink = settings.sink.model_copy(update={"out": out})
    DirectRun(complete(settings.model_copy(update={"sink": sink}))).run()
    return made


def table(session: Path, name: str) -> list[dict[str, str]]:
    with (session / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def messages(session: Path) -> tuple[int, list[RecordedMessage]]:
    """The session's start, and what was recorded of it except for what tells of the processes."""
    with SessionReader(session) as reader:
        start = reader.about["session_start"]
        return start, [m for m in reader.messages() if m.kind not in ("Health", "Resend")]


def samples(session: Path) -> dict[str, list[tuple[float, float]]]:
    """By signal: the recorded samples, as seconds of the session and values."""
    start, recorded = messages(session)
    found: dict[str, list[tuple[float, float]]] = {}
    for one in recorded:
        if one.kind == "Samples":
            message = codec.decode(one.parts).message
            assert isinstance(message, Samples)
            seconds = [(at - start) / 1e9 for at in sample_times(message)]
            found.setdefault(message.signal, []).extend(zip(seconds, message.values, strict=True))
    return found


def step_s(series: list[tuple[float, float]]) -> float:
    """When a signal steps up."""
    lowest, highest = (f(value for _, value in series) for f in (min, max))
    return next(at for at, value in series if value > (lowest + highest) / 2)


@pytest.mark.parametrize("pace", [*PACES, DIRECTLY], ids="".join)
def test_every_sample_is_there_and_the_steps_are_in_their_place(
    pace: tuple[str, str], sessions: dict[tuple[str, str], Path], study: tuple[Path, int]
) -> None:
    found = samples(sessions[pace])
    assert sum(map(len, found.values())) == study[1]
    assert {name: step_s(series) for name, series in found.items()} == {
        "heart_rate": pytest.approx(STEP_S, abs=1e-6),
        "skin_conductance": pytest.approx(STEP_S, abs=1e-6),
    }
    rows = table(sessions[pace], "samples")
    assert len(rows) == study[1]
    for name in found:
        series = [(float(r["time_s"]), float(r["value"])) for r in rows if r["signal"] == name]
        assert step_s(series) == pytest.approx(STEP_S, abs=1e-6)


@pytest.mark.parametrize("pace", [*PACES, DIRECTLY], ids="".join)
def test_a_frame_lies_at_its_time_in_the_film(
    pace: tuple[str, str], sessions: dict[tuple[str, str], Path]
) -> None:
    rows = table(sessions[pace], "emotions")
    for i, row in enumerate(rows):
        assert float(row["time_s"]) == pytest.approx(i / RATE, abs=1e-3)
        assert float(row["media_time_s"]) == float(row["time_s"])


def test_states_follow_the_step_as_soon_as_their_smoothing_lets_them(
    sessions: dict[tuple[str, str], Path],
) -> None:
    rows = table(sessions["--pace", "fast"], "states")
    hearts = [(float(r["time_s"]), float(r["heart_value"])) for r in rows if r["heart_value"]]
    assert 0 < hearts[0][0] < 8
    skin = [(float(r["time_s"]), float(r["skin_value"])) for r in rows if r["skin_value"]]
    # The level is a running median of seconds (docs/state.md)
    assert STEP_S <= step_s(skin) <= STEP_S + 3


def test_a_planned_marker_stands_at_its_time_and_what_lies_behind_the_end_does_not_happen(
    sessions: dict[tuple[str, str], Path],
) -> None:
    for session in sessions.values():
        rows = table(session, "markers")
        assert [(row["label"], float(row["time_s"])) for row in rows] == [("three", 3.0)]


def normalized(session: Path) -> list[tuple[str, int, dict[str, Any], tuple[bytes, ...]]]:
    start, recorded = messages(session)
    found = []
    for one in recorded:
        header = msgpack.unpackb(one.parts[1])
        for name in SHIFTED & header.keys():
            header[name] -= start
        for face in header.get("faces", ()):
            if face["blink"]:
                face["blink"]["at"] -= start
        kept = {name: value for name, value in header.items() if name not in CLOCK}
        found.append((one.topic, one.log_time - start, kept, one.parts[2:]))
    return found


def test_recordings_are_the_same_at_every_pace(sessions: dict[tuple[str, str], Path]) -> None:
    first, *others = (normalized(session) for session in sessions.values())
    assert len(first) > 8 * RATE * 4
    times = [log_time for _, log_time, *_ in first]
    assert times == sorted(times)
    for other in others:
        assert [m[:2] for m in other] == [m[:2] for m in first]
        assert other == first


@pytest.mark.parametrize("name", ["emotions", "samples", "states", "markers"])
def test_tables_are_the_same_at_every_pace(
    name: str, sessions: dict[tuple[str, str], Path]
) -> None:
    tables = []
    for session in sessions.values():
        start = int(json.loads((session / "session.json").read_text())["session_start"])
        rows = table(session, name)
        for row in rows:
            for column in OF_THE_CLOCK:
                row.pop(column, None)
            for column in ON_THE_LINE:
                if row.get(column):
                    row[column] = str(int(row[column]) - start)
        tables.append(rows)
    assert tables[0]
    assert all(other == tables[0] for other in tables)


def test_an_hour_takes_the_time_of_its_analysis(tmp_path: Path) -> None:
    film = write_slow_film(tmp_path / "hour.mkv", frames=360, step_s=10)
    settings, count = write_study(
        tmp_path, 3600, sources=[{"name": "front", "source": str(film)}], film=False,
        fusion={"rate": 1},
    )  # fmt: skip
    out = tmp_path / "out"
    done = up("--config", str(settings), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seconds"] < 90
    assert sum(map(len, samples(out).values())) == count
    rows = table(out, "emotions")
    assert [float(row["time_s"]) for row in rows] == [10.0 * i for i in range(360)]


def test_what_never_ends_by_itself_ends_with_the_film_at_every_pace(tmp_path: Path) -> None:
    """A simulated subject beside a film: how much is simulated must not depend on the pace."""
    found = []
    settings, _ = write_study(
        tmp_path, 2.1, biometrics=[{"driver": "synthetic", "subject": "anna"}]
    )
    for pace in PACES[::2]:
        out = tmp_path / pace[1]
        done = up("--config", str(settings), *pace, "--out", str(out), "--json")
        assert done.returncode == 0, done.stderr
        found.append(normalized(out))
    assert found[0] == found[1]
    last_s = max(at for at, _ in samples(out)["skin_conductance"])
    assert last_s == 2.0, "the last quarter of a second that has begun within the film"


def test_offsets_shift_and_dates_place(tmp_path: Path) -> None:
    date = "2024-05-01T10:00:00+02:00"
    settings, count = write_study(
        tmp_path,
        4,
        sources=[
            {"name": "front", "source": str(write_film(tmp_path / "a.mp4", 2)), "start": date},
            {"name": "side", "source": str(write_film(tmp_path / "b.mp4", 1)), "offset": 1.5},
        ],
    )
    out = tmp_path / "out"
    done = up("--config", str(settings), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    session = json.loads((out / "session.json").read_text())
    assert session["session_start"] == 1_714_550_400 * 10**9
    first: dict[str, float] = {}
    for row in table(out, "emotions"):
        first.setdefault(row["stream"], float(row["time_s"]))
    assert first == {"front": 0.0, "side": 1.5}
    times = [float(row["time_s"]) for row in table(out, "emotions")]
    assert times == sorted(times), "two films are one table, in the order of what happened"
    found = samples(out)
    assert sum(map(len, found.values())) == count, "the table is longer than the films"
    assert found["skin_conductance"][0][0] == 0


def test_a_table_that_is_killed_is_taken_up_where_it_was(tmp_path: Path) -> None:
    settings, count = write_study(tmp_path)
    out = tmp_path / "out"
    heard = ("emotion/", "health/")
    with Pipeline(out, "--config", str(settings), "--rate", "4", prefixes=heard) as pipeline:
        pipeline.wait_for_frame(60)
        pipeline.kill("biometrics")
        assert pipeline.finish()["frames"] == 8 * RATE
    found = samples(out)
    assert sum(map(len, found.values())) == count
    assert len(table(out, "samples")) == count
    assert step_s(found["heart_rate"]) == pytest.approx(STEP_S, abs=1e-6)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Path]:
    """The shared case: a film of 19.6 s, and 79 rows of two sensors with a step at 10 s."""
    given = SHARED.parent / "cases" / "film_and_sensors"
    if not (given / "study.yaml").exists():
        pytest.skip("needs ../shared/cases")
    film = SHARED / "video" / "expressive_woman.mp4"
    text = (given / "study.yaml").read_text()
    text = text.replace("../shared/data/video/expressive_woman.mp4", str(film))
    text = text.replace("../shared/cases/film_and_sensors/sensors.csv", str(given / "sensors.csv"))
    settings = tmp_path / "study.yaml"
    settings.write_text(text)
    yield settings
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_the_paper_s_own_case(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = up("--config", str(case), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    found = samples(out)
    assert sum(map(len, found.values())) == 99, "every cell of the 158 that holds a number"
    assert {round(step_s(series), 6) for series in found.values()} == {10.0}
    rows = table(out, "emotions")
    assert len(rows) == 472
    assert float(rows[-1]["time_s"]) == pytest.approx(19.644625)
