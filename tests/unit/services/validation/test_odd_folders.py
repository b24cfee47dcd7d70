"""Folders that are not quite as expected: what can be read is scored, the rest is reported."""

import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file
from affectline.services.cli.validate import COEFFICIENTS, validate
from affectline.services.validation.drivedb_reader import read_drive, read_drives
from affectline.services.validation.stress_predict import collect_evidence
from affectline.services.validation.stress_predict_reader import FILES, read_recordings
from tests.unit.services.validation.test_validation import write_drive, write_person

START = 1_600_000_000


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three short sessions, with stress in their middle."""
    for number in (2, 3, 11):
        write_person(tmp_path / "sp", number, range(120 + number, 220), seconds=300)
    return tmp_path / "sp"


def run(*arguments: object) -> tuple[dict[str, Any], str]:
    """The figures, and what was printed on stderr."""
    result = CliRunner().invoke(validate, [*map(str, arguments), "--json"], catch_exceptions=False)
    return json.loads(result.stdout, parse_constant=pytest.fail), result.stderr


def error_message(*arguments: object) -> str:
    result = CliRunner().invoke(validate, [*map(str, arguments)])
    assert isinstance(result.exception, AffectlineError)
    return str(result.exception)


def keep(lines: int) -> Callable[[Path], object]:
    return lambda path: path.write_text("\n".join(path.read_text().splitlines()[:lines]))


def punch_gaps(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[60:120] = ["nan"] * 20 + [""] * 20 + ["n/a"] * 20
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (Path.unlink, "is missing or empty"),
        (lambda path: path.write_text(""), "is missing or empty"),
        (keep(1), "is missing or empty"),
        (lambda path: path.write_text("hello\nworld\n1\n"), "left out"),
        (lambda path: path.write_bytes(b"\x00\xff" * 50), ""),
        (keep(100), ""),
        (punch_gaps, ""),
    ],
)
def test_a_person_is_scored_with_the_files_that_are_there(
    people: Path, file: str, harm: Callable[[Path], object], said: str
) -> None:
    harm(people / "S03" / file)
    figures, stderr = run("stress-predict", people)
    assert figures["subjects"] == 3
    assert figures["sets"]["together"]["auc_pooled"] > 0.7
    assert figures["sets"]["together"]["auc_by_subject"]["S03"] is not None
    assert said in "".join(figures["notes"])
    assert not said or f"affectline: S03: {file} {said}" in stderr


def test_ended_files_give_no_evidence_for_later_seconds(people: Path) -> None:
    for file in FILES:
        keep(150)(people / "S03" / file)
    (person,) = (p for p in read_recordings(people) if p.name == "S03")
    course = collect_evidence(person)
    assert {"heart", "skin"} <= set(course.evidence[30])
    assert course.evidence[-1] == {}


def test_people_without_signal_or_label_are_left_out_and_reported(people: Path) -> None:
    for file in FILES:
        (people / "S03" / file).write_text("")
    (people / "S04").mkdir()
    (people / "notes").mkdir()
    (people / "E4_FORMAT.txt").write_text("about")
    figures, _ = run("stress-predict", people)
    assert list(figures["sets"]["skin"]["auc_by_subject"]) == ["S02", "S11"]
    assert "S03: left out, no signal" in "\n".join(figures["notes"])
    assert "S04: left out, labels.csv does not contain 4" in figures["notes"]


def test_a_second_folder_of_a_person_is_left_out_and_said_to_be_one(people: Path) -> None:
    shutil.copytree(people / "S03", people / "S03 copy")
    figures, _ = run("stress-predict", people)
    assert figures["subjects"] == 3
    assert figures["notes"] == ["S03 copy: left out, 3 was already read from S03"]


def test_figures_are_not_those_of_a_file_that_was_just_fitted(people: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.json"
    figures, stderr = run("stress-predict", people, "--fit", file)
    note = f"the figures are those of the shipped models, not of {file}"
    assert note in figures["notes"][-1]
    assert note in stderr
    assert note not in run("stress-predict", people)[1]


@pytest.mark.filterwarnings("error")
def test_a_drive_with_nothing_but_a_header_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "drive01.csv").write_text(",".join(NAMES) + "\n")
    with pytest.raises(AffectlineError, match=r"drive01\.csv: no rows below its header"):
        read_drive(tmp_path / "drive01.csv")


def test_people_may_be_called_otherwise(people: Path) -> None:
    (people / "S02").rename(people / "subject_2")
    (people / "S03").rename(people / "03")
    (people / "S11").rename(people / "P011")
    labels = people / "labels.csv"
    labels.write_text(labels.read_text().replace("\n11,", "\nP011,"))
    figures, _ = run("stress-predict", people)
    assert list(figures["sets"]["heart"]["auc_by_subject"]) == ["subject_2", "03", "P011"]
    assert figures["notes"] == []


def test_one_person_alone_is_scored_with_the_default_coefficients(tmp_path: Path) -> None:
    write_person(tmp_path, 40, range(300, 600))
    figures, _ = run("stress-predict", tmp_path)
    assert figures["subjects"] == 1
    assert figures["fitted_to"] == "the shipped model"
    assert figures["sets"]["skin"]["auc_by_subject"]["S40"] > 0.9
    assert "one person" in error_message("stress-predict", tmp_path, "--fit", tmp_path / "a.json")


def test_labels_may_be_of_one_kind_or_outside_of_the_recording(people: Path) -> None:
    write_person(people, 12, range(0))
    labels = people / "labels.csv"
    rows = [f"2,{START + second},0" for second in (-100, 5000)]
    labels.write_text(
        labels.read_text() + "\n".join([*rows, "2,soon,0", "2", "", "who,1,1"]) + "\n"
    )
    figures, stderr = run("stress-predict", people)
    assert figures["subjects"] == 4
    assert figures["seconds"] == 3 * 300 + 900 + 2
    assert figures["sets"]["skin"]["auc_by_subject"]["S12"] is None
    assert "labels.csv: 3 rows are not participant,unix_s,stress" in stderr
    assert CliRunner().invoke(validate, ["stress-predict", str(people)]).exit_code == 0


def test_nothing_can_be_fitted_without_stress(tmp_path: Path) -> None:
    for number in (1, 2):
        write_person(tmp_path, number, range(0), seconds=60)
    fit = ("--fit", tmp_path / "model.json")
    assert "all 12 seconds are rest" in error_message("stress-predict", tmp_path, *fit)
    figures, _ = run("stress-predict", tmp_path)
    assert figures["sets"]["together"]["auc_pooled"] is None


def test_coefficients_replace_only_coefficients(people: Path, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"frames")
    for more in (("--fit", "film.mp4"), ("--fit", "new.json", "--held-out", "film.mp4")):
        given = [tmp_path / word if "." in word else word for word in more]
        assert "is not a file of coefficients" in error_message("stress-predict", people, *given)
    assert not (tmp_path / "new.json").exists()
    for name in ("coefficients.json", "held_out.json"):
        option = "--fit" if name == "coefficients.json" else "--held-out"
        shipped = next(Path(__file__).parents[4].glob(f"services/*/{name}"))
        check_output_file(option, shipped, "a file of coefficients", COEFFICIENTS)


def test_short_sessions_are_scored_too(people: Path) -> None:
    write_person(people, 13, range(2, 4), seconds=5)
    figures, _ = run("stress-predict", people)
    assert figures["subjects"] == 4


def edit(path: Path, change: Callable[[list[str], int], list[str]]) -> None:
    """Change a drive's rows, given as cells and number of the row."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(change(row, i)) for i, row in enumerate(rows)))


NAMES = ["Elapsed time(s)", "ECG(mV)", "EMG(mV)", "foot GSR(mV)", "hand GSR(mV)", "HR(bpm)",
         "marker(mV)", "RESP(mV)"]  # fmt: skip


def test_drives_may_lack_channels_and_name_them_in_any_order(tmp_path: Path) -> None:
    def lacking(number: int) -> Callable[[list[str], int], list[str]]:
        return lambda row, i: (
            (NAMES if i == 0 else row)[:number] + (NAMES if i == 0 else row)[number + 1 :][::1]
        )

    for name, column in (("one", 5), ("drive17a", 3), ("three", 7)):
        write_drive(tmp_path / f"{name}.csv")
        edit(tmp_path / f"{name}.csv", lacking(column))
    write_drive(tmp_path / "two.csv")
    edit(tmp_path / "two.csv", lambda row, i: (NAMES if i == 0 else row)[::-1])
    figures, stderr = run("drivedb", tmp_path, "--calibration", "30")
    assert figures["drives"] == 4
    assert "one: no heart rate" in stderr
    assert "drive17a: no skin conductance of the foot" in stderr
    assert figures["unlabelled"] == figures["inferred_bounds"] == []
    assert len(figures["notes"]) == 2
    each = figures["sets"]["together"]["rest_vs_driving"]["auc_by_drive"]
    assert min(each.values()) > 0.8
    assert each["two"] == each["three"]


def test_gaps_in_a_drive_are_tolerated(tmp_path: Path) -> None:
    write_drive(tmp_path / "drive01.csv")
    edit(
        tmp_path / "drive01.csv",
        lambda row, i: [*row[:3], *(("", "nan", "-") if 1000 < i < 1400 else row[3:6]), *row[6:]],
    )
    figures, _ = run("drivedb", tmp_path, "--calibration", "30")
    assert figures["sets"]["together"]["rest_vs_driving"]["auc_pooled"] > 0.7


def test_an_unusable_drive_does_not_stop_the_others(tmp_path: Path) -> None:
    write_drive(tmp_path / "drive01.csv")
    (tmp_path / "drive02.csv").write_text("a\n1,2\n3,4\n")
    (tmp_path / "drive03.csv.xz").write_bytes(b"no archive")
    write_drive(tmp_path / "drive04.csv")
    edit(tmp_path / "drive04.csv", lambda row, i: [*row[:6], "10", row[7]] if i else row)
    whole = lzma.compress((tmp_path / "drive01.csv").read_bytes())
    (tmp_path / "drive05.csv.xz").write_bytes(whole[: len(whole) // 2])
    figures, _ = run("drivedb", tmp_path, "--calibration", "30")
    assert list(figures["bounds_s"]) == ["drive01"]
    assert figures["unlabelled"] == ["drive04"]
    said = "\n".join(figures["notes"])
    for words in (
        "drive02.csv: no column",
        "drive03.csv.xz: cannot be read",
        "drive04.csv: too few marker spikes",
        "drive05.csv.xz: cannot be read",
    ):
        assert words in said


def test_a_drive_that_was_unpacked_beside_its_archive_counts_once(tmp_path: Path) -> None:
    write_drive(tmp_path / "drive.one.csv")
    whole = (tmp_path / "drive.one.csv").read_bytes()
    (tmp_path / "drive.one.csv.xz").write_bytes(lzma.compress(whole))
    (tmp_path / "drive.two.csv").write_bytes(whole)
    notes: list[str] = []
    assert [drive.name for drive in read_drives(tmp_path, notes.append)] == [
        "drive.one",
        "drive.two",
    ]
    assert notes == ["drive.one.csv.xz: left out, drive.one was already read"]


def test_what_is_wrong_with_a_folder_is_reported(people: Path, tmp_path: Path) -> None:
    assert "FOLDER" in error_message("drivedb", tmp_path / "nowhere")
    assert "no *.csv.xz or *.csv" in error_message("drivedb", tmp_path)
    assert "labels.csv" in error_message("stress-predict", tmp_path)
    (tmp_path / "drive01.csv").write_text("a\n1,2\n3,4\n")
    assert "no column for time and marker" in error_message("drivedb", tmp_path)
    with pytest.raises(AffectlineError, match="cannot be read"):
        read_drive(tmp_path / "drive07.csv")
    (people / "labels.csv").write_text("participant,unix_s,stress\n")
    assert "no row of participant,unix_s,stress" in error_message("stress-predict", people)
    (people / "labels.csv").write_text("participant,unix_s,stress\n77,1,0\n")
    assert "no person with labels and signals" in error_message("stress-predict", people)
