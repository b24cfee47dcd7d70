"""Accuracy by groups of a manifest, and predictions of other programs."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.training.cli import evaluate
from affectline.training.cli import main as cli
from affectline.training.data import dataset
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.row_table import RowTable, read_named_rows
from affectline.training.evaluate import groups, metrics
from affectline.training.evaluate import report as page
from affectline.training.evaluate.given import read_predictions
from affectline.training.evaluate.predictions import Predictions
from tests.unit.training.evaluate.test_report import fer2013, run
from tests.unit.training.faces import save


def some_faces(count: int = 80, folder: bool = False) -> LabelledFaces:
    emotions = np.arange(count) % 7
    usages = np.array(["Training", "PublicTest", "PrivateTest", "PrivateTest"] * (count // 4))
    sources = tuple(f"happy/{row:04}.png" for row in range(count)) if folder else ()
    return LabelledFaces(np.zeros((count, 48, 48), np.uint8), emotions, usages, sources=sources)


def answers(emotions: NDArray[np.int64], wrong: NDArray[np.bool_], sure: float = 0.8) -> Any:
    given = np.where(wrong, (emotions + 1) % 7, emotions)
    shares = np.full((len(emotions), 7), (1 - sure) / 6)
    shares[np.arange(len(emotions)), given] = sure
    return shares


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path: Path, faces: LabelledFaces) -> RowTable:
    return read_named_rows(path, "-g").match(faces)


def report(
    path: Path,
    faces: LabelledFaces,
    chosen: NDArray[np.int64],
    shares: NDArray[np.float64],
    by: tuple[str, ...] = (),
) -> dict[str, Any]:
    grouped = groups.sort_faces(groups.read_manifest(path, by), faces, chosen)
    return groups.report(grouped, shares, faces.emotions[chosen])


def test_rows_are_named_by_number_source_file_or_usage(tmp_path: Path) -> None:
    faces, folder = some_faces(), some_faces(folder=True)
    path = tmp_path / "m.csv"
    assert read(table(path, "row,age", "3,old", "1,young"), faces).faces.tolist() == [
        2,
        0,
    ]
    assert read(table(path, "source,age", "row 7,old"), faces).faces.tolist() == [6]
    by_file = table(path, "age,file", "old,./happy/0004.png", r"old,happy\0005.png")
    assert read(by_file, folder).faces.tolist() == [4, 5]
    by_usage = table(path, "Usage,usage_row,age", "PrivateTest,3,old", "Training,1,old")
    assert read(by_usage, faces).faces.tolist() == [6, 0]


def test_a_folder_s_own_spelling_of_its_files_is_found(tmp_path: Path) -> None:
    data = tmp_path / "faces"
    spellings = (r"s\1.png", "./s/2.png", "s//3.png", "caf\udce9.png")
    for name in ("s/1.png", "s/2.png", "s/3.png", "a.png"):
        save(data / name)
    (data / "a.png").rename(data / "caf\udce9.png")
    rows = "".join(f"{name},happy,{'ab'[at % 2]}\n" for at, name in enumerate(spellings))
    own = data / "manifest.csv"
    own.write_bytes(b"file,label,age\n" + rows.encode("utf-8", "surrogateescape"))
    faces = dataset.load(data)
    assert read(own, faces).faces.tolist() == [0, 1, 2, 3]
    shares = answers(faces.emotions, np.zeros(4, bool))
    page.write(
        tmp_path / "out",
        Predictions(faces, shares),
        {"model": "m", "data": "d", "split": None} | metrics.report(shares, faces.emotions),
    )
    again = read_predictions(tmp_path / "out" / "predictions.csv", faces, np.arange(4))
    assert again.probabilities == pytest.approx(shares, abs=1e-5)


def test_columns_are_known_in_upper_and_lower_case(tmp_path: Path) -> None:
    faces = some_faces(160)
    lines = [f"{row + 1},{row // 40},{'ab'[row % 2]}" for row in range(160)]
    shares = answers(faces.emotions, np.arange(160) % 3 == 0)
    path = table(tmp_path / "m.csv", "Row,Person,Light", *lines)
    found = report(path, faces, np.arange(160), shares)
    assert found["by_person"]
    assert (found["matched_by"], list(found["columns"])) == ("row", ["Light"])
    assert list(report(path, faces, np.arange(160), shares, ("light",))["columns"]) == ["Light"]
    given = table(tmp_path / "p.csv", "ROW,Happy,SAD", *(f"{n},0.25,0.75" for n in range(1, 161)))
    assert read_predictions(given, faces, np.arange(160)).probabilities[0, 3] == 0.25


@pytest.mark.parametrize("header", ["row,age,age", "row,person,Person", "file,File,age"])
def test_a_column_that_occurs_twice_is_refused(tmp_path: Path, header: str) -> None:
    path = table(tmp_path / "m.csv", header, "1,old,young")
    with pytest.raises(AffectlineError, match=r"--groups .* which mean the same"):
        groups.read_manifest(path)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("row,age", "81,old"), "row 1 names the row '81', which is not in the data"),
        (("row,age", "0,old"), "'0', which is not"),
        (("row,age", "1,old", "-3,old"), "row 2 names the row '-3'"),
        (("row,age", "1,old", "1,young"), "row 2 names the row '1', as row 1 does"),
        (("row,age", "x" * 500 + ",old"), "x" * 60 + "'"),
        (("age,light", "old,dark"), "no column that names faces"),
        (("usage_row,age", "1,old"), "no column that names faces"),
        (("Usage,usage_row,age", "Nowhere,1,old"), "the row of its Usage '1'"),
        (("row,age", "1,old,more"), "3 fields, not 2"),
        (("row,,age", "1,a,b"), "column without a name"),
        (("row,age",), "has a header but no rows"),
        (("",), "is empty"),
        (("file,age", "../secret.png,old"), "'../secret.png', which is not in the data"),
        (("row", "1", "2"), "no column to group by"),
        (("row,label,Usage", "1,happy,Training"), "no column to group by"),
        (("row,age", "1,old"), "none of the 40 evaluated faces is in it"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_with_the_value(
    tmp_path: Path, lines: tuple[str, ...], wanted: str
) -> None:
    faces = some_faces()
    chosen = np.flatnonzero(faces.usages == "PrivateTest")
    shares = answers(faces.emotions[chosen], np.zeros(40, bool))
    with pytest.raises(AffectlineError) as refused:
        report(table(tmp_path / "m.csv", *lines), faces, chosen, shares)
    text = str(refused.value)
    assert re.search(wanted, text), text
    assert "--groups" in text
    assert "\n" not in text
    assert len(text) < 500


def test_bytes_that_are_not_a_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00row\x00,\x00" * 20)
    with pytest.raises(AffectlineError, match="--groups"):
        report(tmp_path / "m.csv", some_faces(), np.arange(80), np.zeros((80, 7)))
    with pytest.raises(AffectlineError, match="--groups"):
        report(tmp_path / "none.csv", some_faces(), np.arange(80), np.zeros((80, 7)))


def two_groups(
    tmp_path: Path, small: int = 0, **more: Any
) -> tuple[dict[str, Any], LabelledFaces, NDArray[np.bool_]]:
    """Of 400 faces, the dark ones are right half as often."""
    faces = some_faces(400)
    dark = np.arange(400) % 2 == 1
    wrong = np.random.default_rng(0).random(400) < np.where(dark, 0.6, 0.2)
    names = np.where(dark, "dark", "bright").astype("<U20")
    names[:small] = "rare"
    lines = [f"{row + 1},{name},{row}" for row, name in enumerate(names)]
    manifest = table(tmp_path / "m.csv", "row,light,number", *lines)
    shares = answers(faces.emotions, wrong)
    found = report(manifest, faces, np.arange(400), shares, **more)
    return found, faces, wrong


def test_each_group_has_its_figures_and_intervals(tmp_path: Path) -> None:
    found, faces, wrong = two_groups(tmp_path)
    dark = next(g for g in found["columns"]["light"]["groups"] if g["name"] == "dark")
    right = ~wrong[1::2]
    assert dark["rows"] == 200
    assert dark["accuracy"] == pytest.approx(right.mean())
    assert dark["interval"] == list(metrics.wilson(int(right.sum()), 200))
    whole = metrics.report(answers(faces.emotions[1::2], wrong[1::2]), faces.emotions[1::2])
    assert dark["macro_f1"] == pytest.approx(whole["macro_f1"])
    assert dark["calibration_error"] == pytest.approx(whole["calibration_error"])
    low, high = dark["calibration_interval"]
    assert low <= dark["calibration_error"] <= high
    low, high = dark["macro_f1_interval"]
    assert low < dark["macro_f1"] < high
    assert dark["calibration_by_chance"] < dark["calibration_error"]  # 0.8 sure, 0.4 right
    assert found["left_out"] == {"number": 400}


def test_a_gap_is_beside_what_chance_gives(tmp_path: Path) -> None:
    gap = two_groups(tmp_path)[0]["columns"]["light"]["gap"]
    assert (gap["best"], gap["worst"]) == ("bright", "dark")
    low, high = gap["interval"]
    assert 0 < low < gap["accuracy"] < high
    assert gap["by_chance"] < gap["accuracy"]


def test_groups_that_differ_by_chance_alone_seldom_exceed_it() -> None:
    random, beyond = np.random.default_rng(0), 0
    for _ in range(60):
        right = random.random(300) < 0.7
        values = random.choice(["a", "b", "c"], 300)
        found = [
            {"name": n, "small": False, "accuracy": right[values == n].mean(), "interval": [0, 1]}
            for n in "abc"
        ]
        gap = groups.measure_gap(found, values, right)
        assert gap is not None
        beyond += gap["accuracy"] > gap["by_chance"]
    assert beyond <= 9


@pytest.mark.parametrize(
    ("count", "each", "is_divided"),
    [(200, 1, False), (20, 30, False), (10, 50, False), (20, 30, True)],
)
def test_people_that_differ_are_no_difference_between_groups(
    count: int, each: int, is_divided: bool
) -> None:
    random, beyond, excluded = np.random.default_rng(0), 0, 0
    for _ in range(30):
        who = np.repeat(np.arange(count), each)
        right = random.random(len(who)) < random.beta(4, 2, count)[who]
        values = np.where((random.random(len(who)) < 0.5) if is_divided else who % 2, "a", "b")
        found = [
            {"name": n, "small": False, "accuracy": right[values == n].mean(), "interval": [0, 1]}
            for n in "ab"
        ]
        gap = groups.measure_gap(found, values, right, who)
        assert gap is not None
        beyond += gap["accuracy"] > gap["by_chance"]
        excluded += gap["interval"][0] > 0
    assert beyond <= 5
    assert excluded <= 8


def test_small_groups_are_said_and_shown_but_not_compared(tmp_path: Path) -> None:
    found, _, _ = two_groups(tmp_path, small=5)
    rare = next(g for g in found["columns"]["light"]["groups"] if g["name"] == "rare")
    assert (rare["rows"], rare["small"]) == (5, True)
    assert found["columns"]["light"]["gap"]["worst"] != "rare"
    said = " ".join(groups.describe(found))
    assert "1 group has fewer than 30 faces (rare)" in said
    assert "The column number has 400 different values" in said


def test_faces_without_a_name_are_shown_but_not_compared(tmp_path: Path) -> None:
    faces = some_faces(160)
    names = ["old", "young", "", ""] * 40
    wrong = np.arange(160) % 8 == 0  # half of the old
    lines = [f"{row + 1},{name}" for row, name in enumerate(names)]
    shares = answers(faces.emotions, wrong)
    found = report(table(tmp_path / "m.csv", "row,age", *lines), faces, np.arange(160), shares)
    age = found["columns"]["age"]
    assert age["groups"][-1]["name"] == groups.NOT_GIVEN
    assert age["groups"][-1]["accuracy"] == 1
    assert (age["gap"]["best"], age["gap"]["worst"]) == ("young", "old")
    assert "age: 80 faces have none: shown, but not compared." in groups.describe(found)


def test_only_small_groups_have_no_gap(tmp_path: Path) -> None:
    faces = some_faces(40)
    lines = [f"{row + 1},{row % 4}" for row in range(40)]
    manifest = table(tmp_path / "m.csv", "row,kind", *lines)
    shares = answers(faces.emotions, np.zeros(40, bool))
    found = report(manifest, faces, np.arange(40), shares)
    assert found["columns"]["kind"]["gap"] is None
    assert "no two named groups have 30 faces" in " ".join(groups.describe(found))


def test_faces_of_one_person_are_resampled_together(tmp_path: Path) -> None:
    faces = some_faces(400)
    person = np.arange(400) // 40
    wrong = person % 2 == 1  # all of a person's faces are right, or none
    lines = [f"{row + 1},{'ab'[row % 2]},{person[row]}" for row in range(400)]
    alone = table(tmp_path / "alone.csv", "row,kind", *(line.rsplit(",", 1)[0] for line in lines))
    together = table(tmp_path / "together.csv", "row,kind,person", *lines)
    shares = answers(faces.emotions, wrong)
    widths = []
    for manifest in (alone, together):
        found = report(manifest, faces, np.arange(400), shares)
        low, high = found["columns"]["kind"]["groups"][0]["calibration_interval"]
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]
    assert found["by_person"]
    by_person = report(together, faces, np.arange(400), shares, by=("person",))
    assert len(by_person["columns"]["person"]["groups"]) == 10


def test_a_group_of_one_person_has_no_interval_and_no_chance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = some_faces(400)
    young = np.arange(400) < 100  # all of one person
    wrong = np.arange(400) % 4 < np.where(young, 1, 2)
    lines = [
        f"{row + 1},{'young' if young[row] else 'old'},{0 if young[row] else row % 9 + 1}"
        for row in range(400)
    ]
    path = table(tmp_path / "m.csv", "row,age,person", *lines)
    found = report(path, faces, np.arange(400), answers(faces.emotions, wrong))
    first, second = found["columns"]["age"]["groups"]
    assert (first["name"], first["people"], second["people"]) == ("young", 1, 9)
    assert first["macro_f1_interval"] is None
    assert first["calibration_interval"] is None
    assert second["calibration_interval"][0] < second["calibration_interval"][1]
    gap = found["columns"]["age"]["gap"]
    assert (gap["interval"], gap["by_chance"]) == (None, None)
    said = " ".join(groups.describe(found))
    assert "age: 1 group is of one person (young)" in said
    assert "young is of one person, so whether this is the group or the person" in said
    assert "100,0.750000," in groups.to_csv(found).replace("no,", "")
    evaluate.show_groups(found)
    assert "nan" not in capsys.readouterr().out
    figures = {"model": "m", "data": "d", "split": None, "groups": found}
    shares = answers(faces.emotions, wrong)
    figures |= metrics.report(shares, faces.emotions)
    page.write(tmp_path / "out", Predictions(faces, shares), figures)
    assert "nan" not in (tmp_path / "out" / "groups.csv").read_text()


def test_a_face_without_a_person_counts_as_one_of_its_own(tmp_path: Path) -> None:
    faces = some_faces(400)
    wrong = np.arange(400) % 8 < 3
    lines = [f"{row + 1},{'ab'[row % 2]}," for row in range(400)]
    nameless = table(tmp_path / "nameless.csv", "row,kind,person", *lines)
    plain = table(tmp_path / "plain.csv", "row,kind", *(line[:-1] for line in lines))
    shares = answers(faces.emotions, wrong)
    found, expected = (report(path, faces, np.arange(400), shares) for path in (nameless, plain))
    for mine, other in zip(
        found["columns"]["kind"]["groups"], expected["columns"]["kind"]["groups"], strict=True
    ):
        assert mine["people"] == mine["rows"]
        assert mine["calibration_interval"] == other["calibration_interval"]
    gap = found["columns"]["kind"]["gap"]
    assert gap["by_chance"] == pytest.approx(
        expected["columns"]["kind"]["gap"]["by_chance"], abs=0.02
    )
    assert "400 faces have no person: each counts as another one." in groups.describe(found)
    assert groups.number_people(["a", "", "b", "a", ""]).tolist() == [0, 1, 2, 0, 3]


def test_a_column_that_is_not_there_or_has_too_many_values_is_named(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"--by weather.*no such column"):
        two_groups(tmp_path, by=("weather",))
    with pytest.raises(AffectlineError, match="number has 400 different values"):
        two_groups(tmp_path, by=("number",))


def test_faces_outside_the_manifest_are_counted_and_empty_cells_are_a_group(
    tmp_path: Path,
) -> None:
    faces = some_faces()
    manifest = table(tmp_path / "m.csv", "row,age", "1,old", "2,", "3,old")
    shares = answers(faces.emotions, np.zeros(80, bool))
    found = report(manifest, faces, np.arange(80), shares)
    assert (found["faces"], found["unlisted"]) == (3, 77)
    assert {g["name"] for g in found["columns"]["age"]["groups"]} == {"old", groups.NOT_GIVEN}
    assert "77 evaluated faces are not" in " ".join(groups.describe(found))


def test_names_from_a_manifest_cannot_become_formulas_or_markup(tmp_path: Path) -> None:
    faces = some_faces()
    manifest = table(tmp_path / "m.csv", "row,=1+1", *(f"{n},<script>$x$" for n in range(1, 61)))
    shares = answers(faces.emotions, np.zeros(80, bool))
    found = report(manifest, faces, np.arange(80), shares)
    assert groups.to_csv(found).splitlines()[1].startswith("'=1+1,<script>")
    figures = {"model": "m", "data": "d", "split": None, "groups": found}
    predictions = Predictions(faces, shares)
    page.write(tmp_path / "out", predictions, figures | metrics.report(shares, faces.emotions))
    assert "<script" not in (tmp_path / "out" / "index.html").read_text()
    assert (tmp_path / "out" / "groups.svg").read_bytes().startswith(b"<?xml")
    page.write(
        tmp_path / "out",
        predictions,
        {"model": "m", "data": "d", "split": None} | metrics.report(shares, faces.emotions),
    )
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(page.FILES)


def test_the_command_reports_groups(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, out = fer2013(tmp_path / "faces.csv"), tmp_path / "report"
    manifest = table(tmp_path / "g.csv", "row,light", *(f"{n},{'ab'[n % 2]}" for n in range(1, 13)))
    arguments = ("--data", data, "--groups", manifest, "--out", out)
    assert run(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    assert "By light" in shown
    assert "fewer than 30" in shown
    written = json.loads((out / "report.json").read_text())["groups"]
    assert (written["matched_by"], written["faces"]) == ("row", 4)
    assert "groups.csv" in {file.name for file in out.iterdir()}
    assert "By group" in (out / "index.html").read_text()


def test_the_table_of_groups_fits_eighty_columns(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "output", Console(width=80))
    evaluate.show_groups(two_groups(tmp_path, small=5)[0])
    shown = capsys.readouterr().out
    head = " ".join(shown.split("┡")[0].replace("┃", " ").split())
    assert head.endswith("calibration by faces accuracy macro F1 error chance"), shown
    assert "…" not in shown
    assert max(map(len, shown.split("light:")[0].splitlines()[:-2])) <= 80


@pytest.mark.parametrize(
    ("lines", "arguments", "complaint"),
    [
        ((), (), "--groups {manifest}: cannot read the file (No such"),
        (("age,light", "old,dark"), (), "--groups {manifest}: has no column that names"),
        (("row,age", "1,old"), ("--by", "nosuch"), "--by nosuch: {manifest} has no such column"),
    ],
)
def test_a_wrong_manifest_is_refused_before_the_data_are_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    lines: tuple[str, ...],
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    manifest = tmp_path / "groups.csv"
    if lines:
        table(manifest, *lines)
    nowhere = tmp_path / "none.csv"
    assert run(monkeypatch, "--data", nowhere, "--groups", manifest, *arguments) == 1
    assert complaint.format(manifest=manifest) in capsys.readouterr().err


def test_a_manifest_of_other_faces_is_refused_before_they_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(evaluate, "predict", lambda *_: pytest.fail("measured"))
    manifest = table(tmp_path / "g.csv", "row,light", "13,dark")
    data = fer2013(tmp_path / "faces.csv")
    assert run(monkeypatch, "--data", data, "--groups", manifest) == 1
    assert "row 1 names the row '13', which is not in the data" in capsys.readouterr().err


def test_options_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = fer2013(tmp_path / "faces.csv")
    other = table(tmp_path / "p.csv", "row,given", "1,happy")
    for arguments in (
        ("--by", "age"),
        ("--predictions", other, "--artifact", tmp_path),
        ("--predictions", other, "--answer", "votes"),
    ):
        assert run(monkeypatch, "--data", data, *arguments) == 1
        assert str(arguments[0]) in capsys.readouterr().err


def test_predictions_of_a_report_can_be_evaluated_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, out = fer2013(tmp_path / "faces.csv"), tmp_path / "report"
    assert run(monkeypatch, "--data", data, "--out", out, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    again = ("--data", data, "--predictions", out / "predictions.csv", "--json")
    assert run(monkeypatch, *again) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["model"] == "predictions"
    for figure in ("accuracy", "macro_f1", "confusion", "without_twins"):
        assert second[figure] == first[figure]
    assert second["calibration_error"] == pytest.approx(first["calibration_error"], abs=1e-4)


def test_labels_alone_say_nothing_about_confidence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, out = fer2013(tmp_path / "faces.csv"), tmp_path / "report"
    lines = [f"{row},{'happy' if row != 9 else 'Angry'}" for row in range(9, 13)]
    given = table(tmp_path / "other.csv", "row,given", *lines)
    assert run(monkeypatch, "--data", data, "--predictions", given, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "accuracy 75.00%" in shown  # angry, happy, happy, neutral
    assert "confidence unknown" in shown
    written = json.loads((out / "report.json").read_text())
    assert written["calibration_error"] is None
    assert "nothing is known about confidence" in (out / "index.html").read_text()


def test_a_program_with_fewer_labels_never_gives_the_others(tmp_path: Path) -> None:
    faces = some_faces()
    lines = [f"{row},0.25,0.75" for row in range(1, 81)]
    path = table(tmp_path / "p.csv", "row,happy,sad", *lines)
    found = read_predictions(path, faces, np.arange(80))
    assert found.probabilities[0].tolist() == [0, 0, 0, 0.25, 0.75, 0, 0]
    assert found.missing == ("angry", "disgust", "fear", "surprise", "neutral")


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("row,happy,sad", "1,0.5,0.5"), "79 of the 80 faces have no prediction.*'row 2'"),
        (("row,happy,sad", "1,0.5,0.9"), "row 1 sum to 1.400"),
        (("row,happy,sad", "1,1.5,-0.5"), "probability '1.5' for happy"),
        (("row,happy,sad", "1,nan,1"), "probability 'nan'"),
        (("row,happy,sad", "1,,1"), "probability ''"),
        (("row,given", "1,cheerful"), "label 'cheerful'"),
        (("row,mood", "1,happy"), "no predictions"),
        (("row,given", "1,happy", "1,happy"), "as row 1 does"),
        (("row,given", "99,happy"), "'99', which is not in the data"),
    ],
)
def test_predictions_that_cannot_be_used_are_refused_with_the_value(
    tmp_path: Path, lines: tuple[str, ...], wanted: str
) -> None:
    with pytest.raises(AffectlineError, match=wanted) as refused:
        read_predictions(table(tmp_path / "p.csv", *lines), some_faces(), np.arange(80))
    assert "--predictions" in str(refused.value)


def test_a_folder_s_own_manifest_groups_its_faces(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for label in (LABELS[3], LABELS[4]):
        for index in range(2):
            save(tmp_path / "faces" / label / f"{index}.png")
    manifest = table(
        tmp_path / "people.csv",
        "file,age",
        *(f"{label}/{index}.png,{20 * index}" for label in ("happy", "sad") for index in (0, 1)),
    )
    arguments = ("--data", tmp_path / "faces", "--groups", manifest, "--json")
    assert run(monkeypatch, *arguments) == 0
    found = json.loads(capsys.readouterr().out)["groups"]
    assert {group["name"] for group in found["columns"]["age"]["groups"]} == {"0", "20"}


def test_the_help_has_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["affectline-train", "evaluate", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    shown = " ".join(capsys.readouterr().out.split())
    assert "--groups people.csv" in shown
    assert "--predictions other.csv" in shown
