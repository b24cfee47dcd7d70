"""One person's calibration, from films and cameras to the tables of other runs."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest

from affectline.common.model.calibration import Calibration, read_calibration
from tests.calibrations import OFF, calibration
from tests.cameras import HttpCamera
from tests.films import film
from tests.pipelines import free_port, process, run, up

pytestmark = pytest.mark.timeout(300)
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "emotions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def driver(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with the calibration of a man whose neutral face looks afraid to the model."""
    out = tmp_path_factory.mktemp("driver") / "session"
    done = run(
        "calibrate", str(clips / "carphone.mp4"), "--neutral", "0..2", "--participant", "07",
        "--out", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "07: 60 neutral; model vgg16-48@" in done.stdout
    assert "It helps on faces left out of the fit" in done.stdout
    assert "Only a neutral face was shown" in done.stdout
    return out


def test_a_film_becomes_a_session_with_a_calibration(driver: Path) -> None:
    found = read_calibration(driver)
    assert found.is_on
    assert (found.person, found.material, found.faces) == ("07", "film", {"neutral": 60})
    assert found.validation.calibrated_log_loss < found.validation.log_loss
    assert json.loads((driver / "session.json").read_text())["study"] == {"participant": "07"}
    assert all(not row["model"].endswith("+calibrated") for row in rows(driver))


def test_tables_of_another_run_are_shifted_and_say_so(
    clips: Path, driver: Path, tmp_path: Path
) -> None:
    source = ("--source", str(clips / "carphone.mp4"))
    for name, more in (("own", ("--calibration", str(driver))), ("plain", ())):
        done = up(*source, *more, "--out", str(tmp_path / name), "--json")
        assert done.returncode == 0, done.stderr
    shift = read_calibration(driver).shift
    for plain, own in zip(rows(tmp_path / "plain"), rows(tmp_path / "own"), strict=True):
        assert own["model"] == f"{plain['model']}+calibrated"
        weights = {
            label: float(plain[f"{label}_frame"]) * 2.718281828459045**one
            for label, one in zip(LABELS, shift, strict=True)
        }
        for label in LABELS:
            expected = weights[label] / sum(weights.values())
            assert float(own[f"{label}_frame"]) == pytest.approx(expected, abs=3e-6)
    kept = json.loads((tmp_path / "own" / "session.json").read_text())
    assert Calibration.model_validate_json(
        json.dumps(kept["settings"]["classifier"]["calibration"])
    ) == read_calibration(driver)
    report = run("report", str(tmp_path / "own"))
    assert report.returncode == 0, report.stderr
    assert "before it was calibrated to one person" in (tmp_path / "own/report.html").read_text()


def test_analyses_and_reanalyses_take_it_and_off_changes_no_bit(
    clips: Path, driver: Path, tmp_path: Path
) -> None:
    shutil.copy(clips / "smiling_man.mp4", tmp_path / "a.mp4")
    off = tmp_path / "off.json"
    off.write_text(calibration(shift=OFF, person=None).model_dump_json())
    found = {}
    for name, more in (
        ("plain", ("--record",)), ("off", ("--calibration", str(off))),
        ("own", ("--calibration", str(driver / "calibration.json"))),
    ):  # fmt: skip
        done = run("analyse", str(tmp_path / "a.mp4"), *more, "--out", name,
                   cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert ("the calibration is off" in done.stderr) == (name == "off")
        found[name] = [
            {k: v for k, v in row.items() if not k.endswith(("_at", "epoch"))}
            for row in rows(tmp_path / name / "sessions" / "a")
        ]
    assert found["off"] == found["plain"]
    assert all(row["model"].endswith("+calibrated") for row in found["own"])
    again = run(
        "replay", str(tmp_path / "plain/sessions/a"), "--reanalyse", "--rate", "max", "--json",
        "--calibration", str(driver), "--out", str(tmp_path / "again"), "--port", str(free_port()),
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert [row["happy_frame"] for row in rows(tmp_path / "again")] == [
        row["happy_frame"] for row in found["own"]
    ]
    info = run("info", str(tmp_path / "again"))
    assert "+calibrated" in info.stdout


def test_a_session_is_calibrated_by_its_annotations(driver: Path, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    shutil.copytree(driver, folder)
    (folder / "calibration.json").unlink()
    missing = run("calibrate", str(folder))
    assert missing.returncode == 1
    assert "no marker or annotation names an expression" in missing.stderr
    noted = run("annotate", str(folder), "neutral", "--from", "0s", "--to", "2s")
    assert noted.returncode == 0, noted.stderr
    done = run("calibrate", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["material"], told["person"]) == ("session", "07")
    assert told["shift"] == list(read_calibration(driver).shift)
    assert read_calibration(folder).person == "07"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.mp4",), "affectline: nowhere.mp4: no such file"),
        (("empty",), "/empty: the folder holds no pictures"),
        (("99",), "affectline: 99: camera 99 cannot be opened"),
        (("still.avi", "--neutral", "0..1"), "--neutral 0..1: 1 s: name at least 2 s"),
        (("still.avi", "--neutral", "0..2", "--happy", "1..3"), "overlap: name each second once"),
        (("still.avi",), "still.avi: no face was found: use a film that shows the person's face"),
        (("still.avi", "--model", "nowhere"), "no model at nowhere"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    film(tmp_path / "still.avi", 75)
    (tmp_path / "empty").mkdir()
    done = run("calibrate", *arguments, "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists(), "it can be repeated as it is"


def test_a_calibration_of_another_model_stops_the_run_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(calibration(model="other@12345678").model_dump_json())
    film(tmp_path / "a.avi", 5)
    done = up("--source", str(tmp_path / "a.avi"), "--calibration", str(path), cwd=tmp_path)
    assert done.returncode == 1
    assert "made with the model other@12345678, not vgg16-48@" in done.stderr
    assert not (tmp_path / "sessions").exists()


def test_a_camera_asks_for_each_expression(clips: Path, tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(clips / "smiling_man.mp4"))
    pictures = [capture.read()[1] for _ in range(72)]
    capture.release()
    shown = [pictures[:14]]  # his neutral face, then, while anything else is asked for, his smile
    prompts: list[str] = []
    with (
        HttpCamera(draw=lambda number: shown[-1][number % len(shown[-1])], rate=10) as camera,
        process(
            "calibrate", camera.address, "--out", "out", "--participant", "09",
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path,
        ) as guided,
    ):  # fmt: skip
        assert guided.stderr
        for line in guided.stderr:
            if " s. " in line:
                prompts.append(line.partition(",")[0])
                shown.append(pictures[:14] if prompts[-1] == "neutral" else pictures[24:])
        assert guided.wait(timeout=20) == 0
    assert prompts == ["neutral", "happy", "surprise", "angry", "sad"]
    found = read_calibration(tmp_path / "out")
    assert (found.person, found.material) == ("09", "camera")
    assert set(found.faces) == {"neutral", "happy"}, "he smiled at all other prompts"
    with (tmp_path / "out" / "markers.csv").open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels == ["neutral", "happy", "surprise", "angry", "sad", "thank you"]
