"""A folder of pictures with a manifest."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.training.data import dataset
from affectline.training.data.splits import Split
from tests.unit.training.faces import flat, manifest, save


def test_a_manifest_names_files_labels_and_splits(tmp_path: Path) -> None:
    save(tmp_path / "p" / "a.png", flat(1))
    save(tmp_path / "b.jpg", flat(2))
    root = manifest(
        tmp_path,
        "PublicTest,p/a.png,note,Happiness",
        "Training,b.jpg,,sad",
        header="Usage,file,remark,label",
    )
    faces = dataset.load(root)
    assert faces.emotions.tolist() == [3, 4]
    assert faces.usages.tolist() == ["PublicTest", "Training"]
    assert faces.sources == ("p/a.png", "b.jpg")
    assert faces.select(Split.PUBLIC_TEST).sources == ("p/a.png",)
    assert len(dataset.load(root, rows=1)) == 1


def test_a_manifest_from_windows_is_read(tmp_path: Path) -> None:
    save(tmp_path / "p" / "a.png")
    (tmp_path / "manifest.csv").write_bytes(b"\xef\xbb\xbffile,label\r\np\\a.png,happy\r\n")
    assert dataset.load(tmp_path).emotions.tolist() == [3]


def test_a_manifest_names_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "caf\udce9.png")
    for name in (b"caf\xe9.png", "caf\ufffdE9.png".encode()):
        (tmp_path / "manifest.csv").write_bytes(b"file,label\n" + name + b",happy\n")
        assert dataset.load(tmp_path).sources == ("caf\ufffdE9.png",)


@pytest.mark.parametrize("column", ["person", "Person", " PERSON "])
def test_all_pictures_of_a_person_are_in_one_split(tmp_path: Path, column: str) -> None:
    rows = []
    for number in range(60):
        save(tmp_path / f"{number}.png", flat(number))
        rows.append(f"{number}.png,sad,person {number % 20}")
    faces = dataset.load(manifest(tmp_path, *rows, header=f"file,label,{column}"))
    by_person: dict[int, set[str]] = {}
    for number, usage in enumerate(faces.usages.tolist()):
        by_person.setdefault(number % 20, set()).add(usage)
    assert {len(usages) for usages in by_person.values()} == {1}
    assert len(set(faces.usages.tolist())) > 1


@pytest.mark.parametrize("header", ["file,label,usage", "File,LABEL, USAGE"])
def test_columns_are_known_in_upper_and_lower_case(tmp_path: Path, header: str) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    rows = ("a.png,happy,PrivateTest", "b.png,sad,PublicTest")
    faces = dataset.load(manifest(tmp_path, *rows, header=header))
    assert faces.usages.tolist() == ["PrivateTest", "PublicTest"]
    with pytest.raises(AffectlineError, match="has the Usage 'Holiday'"):
        dataset.load(manifest(tmp_path, "a.png,sad,Holiday", header=header))


def test_a_column_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    root = manifest(tmp_path, "a.png,sad,ada,ben", header="file,label,person, Person")
    with pytest.raises(AffectlineError, match="the columns person and Person, which mean the same"):
        dataset.load(root)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("../a.png,happy", r"has the file '\.\./a\.png', which is not below the folder"),
        ("p/../../a.png,happy", "which is not below the folder"),
        ("/etc/passwd,happy", "which is not below the folder"),
        ("C:\\a.png,happy", "which is not below the folder"),
        ("..\\a.png,happy", "which is not below the folder"),
        ("out.png,happy", "which is not below the folder"),
        ("round.png,happy", "which is not below the folder"),
        ("a\0.png,happy", "which is not below the folder"),
        (".,happy", "which is not below the folder"),
        (",happy", "which is not below the folder"),
        ("none.png,happy", r"\(none\.png\) cannot be read \(No such file"),
        ("folder,happy", r"\(folder\) cannot be read \(Is a directory"),
        (f"{'x' * 5000}.png,happy", r"cannot be read|not below the folder"),
        ("./good.png,happy", r"\(\./good\.png\) lists the file of row 1 again"),
        ("other.png,smug", "has the label 'smug'"),
        ("other.png,", "has the label ''"),
        ("other.png,3", "has the label '3'"),
        ("other.png,happy,extra", "has 3 fields, not 2"),
    ],
)
def test_a_bad_row_of_a_manifest_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    root = tmp_path / "data"
    save(tmp_path / "a.png")
    save(root / "good.png")
    save(root / "other.png")
    (root / "folder").mkdir()
    (root / "out.png").symlink_to(tmp_path / "a.png")
    (root / "round.png").symlink_to(root / "round.png")
    with pytest.raises(AffectlineError, match=complaint) as caught:
        dataset.load(manifest(root, "good.png,happy", row))
    assert str(caught.value).startswith("row 2 ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("usage", ["Test", ""])
def test_an_unknown_split_in_a_manifest_is_named(tmp_path: Path, usage: str) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(AffectlineError, match=f"row 1 .* has the Usage '{usage}'"):
        dataset.load(manifest(tmp_path, f"a.png,sad,{usage}", header="file,label,Usage"))


def test_a_manifest_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"manifest\.csv lacks the column label"):
        dataset.load(manifest(tmp_path, "a.png,sad", header="file,emotion"))
