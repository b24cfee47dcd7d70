import json
import lzma
import os
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from affectline.training.cli import main as cli
from tests.conftest import SHARED

FACE = " ".join(str(value % 256) for value in range(2304))
OTHER = " ".join(str((value * 7) % 256) for value in range(2304))
BLANK = " ".join(["9"] * 2304)
FER = SHARED / "fer2013.csv.xz"
VOTES = SHARED / "ferplus_votes.csv"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: Path | str) -> tuple[int, str, str]:
        words = ["affectline-train", "data", "check", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def write(folder: Path, *rows: str, header: str = "emotion,pixels,Usage") -> Path:
    file = folder / "faces.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def save(file: Path, value: int, height: int = 30, width: int = 30) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((height, width), value, np.uint8)
    picture[0, 0] = 255 - value
    assert cv2.imwrite(str(file), picture)


def test_good_data_ends_with_0_and_is_counted(check: Any, tmp_path: Path) -> None:
    rows = [f"3,{FACE},Training", f"3,{OTHER},Training", f"0,{BLANK},PublicTest"]
    code, out, _ = check(write(tmp_path, *rows))
    assert code == 0
    assert "usable rows: 3 of 3" in out
    assert "blank pictures: 1 (row 3)" in out
    code, out, _ = check(write(tmp_path, *rows), "--json")
    assert code == 0
    report = json.loads(out)
    assert report["problems"] == []
    assert (report["rows"], report["usable"]) == (3, 3)
    assert report["counts"]["Training"]["happy"] == 2
    assert report["counts"]["PublicTest"]["angry"] == 1
    assert report["blank"] == ["row 3"]


def test_every_problem_of_every_row_is_listed(check: Any, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f"3,{FACE},Training",
        f"7,{FACE} 1,Test",
        f"3,{FACE},Training,x",
        f"3,{FACE.replace('17', '256', 1)},Training",
        f"x,{FACE},Training",
    )
    code, out, _ = check(file, "--json")
    assert code == 1
    report = json.loads(out)
    assert [(problem["row"], problem["kind"]) for problem in report["problems"]] == [
        (2, "emotion"),
        (2, "usage"),
        (2, "pixels"),
        (3, "fields"),
        (4, "value"),
        (5, "emotion"),
    ]
    assert (report["rows"], report["usable"]) == (5, 1)
    assert report["problems"][2]["text"] == "row 2 has 2305 pixels, not 2304"


def test_twenty_of_a_kind_are_printed(check: Any, tmp_path: Path) -> None:
    file = write(tmp_path, *[f"9,{FACE},Training"] * 30)
    code, out, _ = check(file)
    assert code == 1
    assert "Emotions outside 0 to 6: 30" in out
    assert "row 20 has" in out
    assert "row 21 has" not in out
    assert "and 10 more" in out
    assert "usable rows: 0 of 30" in out
    _, out, _ = check(file, "--json")
    assert len(json.loads(out)["problems"]) == 30


def test_repeated_pictures_and_leaks_are_counted(check: Any, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f"3,{FACE},Training",
        f"3,{FACE},Training",
        f"4,{FACE},PrivateTest",
        f"3,{OTHER},Training",
        f"3,{OTHER},Training",
    )
    code, out, _ = check(file, "--json")
    assert code == 0
    repeated = json.loads(out)["repeated"]
    assert repeated["pictures"] == 3
    assert repeated["across_splits"] == 1
    assert repeated["with_different_labels"] == 1
    assert repeated["groups"][0][2] == {"source": "row 3", "split": "PrivateTest", "label": "sad"}
    assert "pictures in several splits: 1" in check(file)[1]


def test_what_a_torn_archive_still_gave_is_summed_up(check: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    faces = (" ".join(map(str, rng.integers(0, 256, 2304))) for _ in range(60))
    plain = write(tmp_path, *(f"3,{face},Training" for face in faces))
    torn = tmp_path / "faces.csv.xz"
    torn.write_bytes(lzma.compress(plain.read_bytes(), preset=0)[:-9000])
    code, out, _ = check(torn, "--json")
    assert code == 1
    report = json.loads(out)
    [problem] = report["problems"]
    assert problem["kind"] == "file"
    assert f"damaged after row {report['rows']} " in problem["text"]
    assert 30 < report["usable"] < 60


def test_bytes_that_are_not_utf8_are_a_bad_row(check: Any, tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training", f"4,{FACE},Training")
    file.write_bytes(file.read_bytes().replace(b"4,0 1 2 ", b"4,0 \xff 2 "))
    code, out, _ = check(file)
    assert code == 1
    assert "row 2 has the pixel value '\ufffdFF'" in out


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.csv", None, "cannot read {path} (No such file or directory)"),
        ("empty.csv", b"", "{path} is empty"),
        ("header.csv", b"emotion,pixels,Usage\n", "{path} has a header but no rows"),
        ("other.csv", b"emotion;pixels;Usage\n", "{path} lacks the columns emotion, pixels, Usage"),
        ("wide.csv", "emotion,pixels,Usage\n".encode("utf-16"), "{path} is not UTF-8 text"),
        ("nul.csv", b"\0emotion,pixels,Usage\n", "{path} is not UTF-8 text"),
        ("plain.csv.gz", b"emotion,pixels,Usage\n", "cannot read {path} (Not a gzipped file"),
    ],
)
def test_a_file_that_says_nothing_is_one_line(
    check: Any, tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    code, out, err = check(file)
    assert code == 1
    assert out == ""
    assert (
        err.strip().splitlines()[-1].startswith(f"affectline-train: {complaint.format(path=file)}")
    )
    code, out, _ = check(file, "--json")
    assert code == 1
    assert json.loads(out)["problems"][0]["text"].startswith(complaint.format(path=file))


def test_a_folder_is_counted_and_measured(check: Any, tmp_path: Path) -> None:
    save(tmp_path / "happy" / "a.png", 1, 30, 20)
    save(tmp_path / "happy" / "b.png", 2, 50, 60)
    save(tmp_path / "sad" / "c.png", 3, 400, 200)
    save(tmp_path / "smug" / "d.png", 4)
    (tmp_path / "sad" / "[bold]bad.png").write_bytes(b"")
    code, out, _ = check(tmp_path)
    assert code == 1
    assert "smug/ is not a label's name" in out
    assert "sad/[bold]bad.png is not a readable picture" in out
    assert "usable rows: 3 of 4" in out
    assert "longer sides: 30 to 400 pixels, median 60" in out
    _, out, _ = check(tmp_path, "--json")
    report = json.loads(out)
    assert report["sides"] == {"min": 30, "median": 60, "max": 400}
    assert {problem["file"] for problem in report["problems"]} == {"smug/", "sad/[bold]bad.png"}


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("file,label,person,usage", ("a.png,sad,ada,Training", "b.png,sad,ada,Training"), "Usage"),
        ("file,label,Person", ("a.png,sad,ada", "b.png,sad,ben"), "person"),
        (
            "file,label,subject",
            ("a.png,sad,ada", "b.png,sad,ben"),
            "the files' bytes (a person may be in several splits)",
        ),
    ],
)
def test_what_decided_the_splits_is_said(
    check: Any, tmp_path: Path, header: str, rows: tuple[str, ...], said: str
) -> None:
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2)
    (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]))
    code, out, _ = check(tmp_path)
    assert code == 0
    assert f"rows split by {said}: 2" in out


def test_people_that_are_not_known_everywhere_are_counted(check: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2)
    (tmp_path / "manifest.csv").write_text("file,label,person\na.png,sad,ada\nb.png,sad,\n")
    out = check(tmp_path)[1]
    assert "rows split by person: 1" in out
    assert "rows split by the files' bytes (a person may be in several splits): 1" in out
    split_by = json.loads(check(tmp_path, "--json")[1])["split_by"]
    assert split_by == {"Usage": 0, "person": 1, "bytes": 1}


def test_a_name_that_is_no_text_is_listed(check: Any, tmp_path: Path) -> None:
    save(tmp_path / "sad" / "a.png", 1)
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "sad" / name).write_bytes(b"")
    code, out, _ = check(tmp_path, "--json")
    assert code == 1
    (problem,) = json.loads(out)["problems"]
    assert problem["file"] == "sad/caf\ufffdE9.png"
    assert problem["text"] == "sad/caf\ufffdE9.png is not a readable picture"


def test_a_person_in_two_spellings_is_warned_about(check: Any, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    rows = ("0.png,sad,p07", "1.png,sad,P07", "2.png,sad,p08")
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,person", *rows]))
    code, out, _ = check(tmp_path)
    assert code == 0
    assert "warning: the people 'P07', 'p07' are taken for 2 people" in out
    assert len(json.loads(check(tmp_path, "--json")[1])["people_alike"]) == 1


def test_a_split_without_rows_has_its_column_and_is_named(check: Any, tmp_path: Path) -> None:
    code, out, _ = check(write(tmp_path, f"3,{FACE},Training"))
    assert code == 0
    assert re.search(r"Training\W+PublicTest\W+PrivateTest\W+all", out)
    assert "no PublicTest rows: fit cannot begin" in out
    assert "no PrivateTest rows: evaluate and the model card have nothing to measure on" in out
    report = json.loads(check(tmp_path / "faces.csv", "--json")[1])
    assert set(report["counts"]) == {"Training", "PublicTest", "PrivateTest"}
    assert report["missing_splits"] == ["PublicTest", "PrivateTest"]


def test_folders_of_people_below_a_label_are_told_of_the_manifest(
    check: Any, tmp_path: Path
) -> None:
    save(tmp_path / "sad" / "a.png", 1)
    save(tmp_path / "sad" / "anna" / "1.png", 1)
    code, out, _ = check(tmp_path)
    assert code == 1
    assert "sad/anna/ is a folder, and pictures in it are not read" in out
    assert "or list them in a manifest.csv with the columns file, label, and person" in out


def test_the_columns_of_a_manifest_with_another_delimiter_are_named(
    check: Any, tmp_path: Path
) -> None:
    (tmp_path / "manifest.csv").write_text("file;label;person\na.png;sad;ada\n")
    code, _, err = check(tmp_path)
    assert code == 1
    assert "lacks the columns file, label (it has file;label;person)" in err


def test_every_fix_is_told(check: Any, tmp_path: Path) -> None:
    save(tmp_path / "sad" / "a.png", 1)
    (tmp_path / "sad" / "b.png").write_bytes(b"")
    (tmp_path / "sad" / "notes.txt").touch()
    _, out, _ = check(tmp_path)
    assert "(pictures must be complete PNG" in out
    assert "(keep only PNG" in out


def test_every_bad_row_of_a_manifest_is_listed(check: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    rows = ["a.png,smug,Holiday", "../b.png,sad,Training", "c.png,sad,Training"]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,Usage", *rows]))
    code, out, _ = check(tmp_path, "--json")
    assert code == 1
    assert [(p["row"], p["kind"]) for p in json.loads(out)["problems"]] == [
        (1, "label"),
        (1, "usage"),
        (2, "path"),
        (3, "picture"),
    ]


def test_votes_that_do_not_fit_are_a_problem(check: Any, tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training")
    code, out, _ = check(file, "--votes", tmp_path / "none.csv")
    assert code == 1
    assert "FER+ votes that do not match the data: 1" in out
    assert "usable rows: 1 of 1" in out
    assert check(tmp_path, "--votes", file)[0] == 1


def test_votes_are_counted(check: Any, tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear"
    votes.write_text(f"{header},contempt,unknown,NF\nTraining,a.png,9,0,0,0,0,0,0,0,0,0\n")
    code, out, _ = check(write(tmp_path, f"3,{FACE},Training"), "--votes", votes)
    assert code == 0
    assert "rows with FER+ votes: 1" in out


def test_the_help_has_an_example(check: Any) -> None:
    code, out, _ = check("--help")
    assert code == 0
    assert "affectline-train data check" in out


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not (FER.exists() and VOTES.exists()), reason="../shared/data/fer2013.csv.xz is not here"
)
def test_all_of_fer2013_can_be_used(check: Any) -> None:
    code, out, _ = check(FER, "--votes", VOTES, "--json")
    assert code == 0
    report = json.loads(out)
    assert report["usable"] == report["rows"] == 35_887
    assert sum(report["counts"]["Training"].values()) == 28_709
    assert 35_000 < report["with_votes"] < 35_710
    assert report["repeated"]["across_splits"] > 0
