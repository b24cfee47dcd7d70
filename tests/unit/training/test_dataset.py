import lzma
from pathlib import Path

import numpy as np
import pytest

from common.errors import AffectlineError
from training import dataset
from training.splits import Split

FACE = " ".join(str(value % 256) for value in range(2304))
HEADER = "emotion,pixels,Usage"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "faces.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_pixels_become_pictures_row_by_row(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training", f"6,{FACE},PublicTest"))
    assert faces.pixels.shape == (2, 48, 48)
    assert faces.pixels.dtype == np.uint8
    assert faces.pixels[0, 0, :3].tolist() == [0, 1, 2]
    assert faces.pixels[1, 1, 0] == 48


def test_targets_are_one_hot(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training", f"6,{FACE},PublicTest"))
    assert faces.targets.tolist() == [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]]


def test_splits_follow_usage(tmp_path: Path) -> None:
    usages = ["Training", "PrivateTest", "PublicTest", "Training"]
    file = write(tmp_path, *(f"{i},{FACE},{usage}" for i, usage in enumerate(usages)))
    faces = dataset.load(file)
    assert faces.only(Split.TRAINING).emotions.tolist() == [0, 3]
    assert faces.only(Split.PUBLIC_TEST).emotions.tolist() == [2]
    assert faces.only(Split.PRIVATE_TEST).emotions.tolist() == [1]
    assert faces.only(Split.TEST).emotions.tolist() == [1, 2]


def test_compression_changes_nothing(tmp_path: Path) -> None:
    plain = write(tmp_path, f"3,{FACE},Training")
    packed = tmp_path / "faces.csv.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    assert dataset.load(packed).sha256 == dataset.load(plain).sha256


def test_fingerprint_sees_a_changed_label(tmp_path: Path) -> None:
    first = dataset.load(write(tmp_path, f"3,{FACE},Training")).sha256
    assert dataset.load(write(tmp_path, f"4,{FACE},Training")).sha256 != first


def test_unusual_spacing_is_still_read(tmp_path: Path) -> None:
    plain = dataset.load(write(tmp_path, f"3,{FACE},Training")).pixels
    spaced = dataset.load(write(tmp_path, f"3, {FACE.replace(' ', '  ')} ,Training")).pixels
    assert (plain == spaced).all()


def test_rows_limits_what_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training", "nonsense,1,x")
    assert len(dataset.load(file, rows=1)) == 1


def test_a_bad_row_beyond_the_first_chunk_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "CHUNK", 2)
    rows = [f"3,{FACE},Training"] * 4 + [f"3,{FACE} 7,Training"]
    with pytest.raises(AffectlineError, match=r"^row 5 has 2305 pixels, not 2304: "):
        dataset.load(write(tmp_path, *rows))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"3,{FACE[2:]},Training", "row 2 has 2303 pixels, not 2304"),
        ("3,,Training", "row 2 has 0 pixels, not 2304"),
        (f"3,{FACE.replace('17', '256', 1)},Training", "row 2 has the pixel value '256'"),
        (f"3,{FACE.replace('17', '-1', 1)},Training", "row 2 has the pixel value '-1'"),
        (f"3,{FACE.replace('17', '1.5', 1)},Training", "row 2 has the pixel value '1.5'"),
        (f"3,{FACE.replace('17', 'x', 1)},Training", "row 2 has the pixel value 'x'"),
        (f"7,{FACE},Training", "row 2 has the emotion '7'"),
        (f"-1,{FACE},Training", "row 2 has the emotion '-1'"),
        (f"happy,{FACE},Training", "row 2 has the emotion 'happy'"),
        (f",{FACE},Training", "row 2 has the emotion ''"),
        (f"3,{FACE},Test", "row 2 has the Usage 'Test'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(AffectlineError) as caught:
        dataset.load(write(tmp_path, f"3,{FACE},Training", row))
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


def test_pixels_that_moved_to_the_next_row_are_noticed(tmp_path: Path) -> None:
    short, long = FACE.rsplit(" ", 1)[0], f"0 {FACE}"
    with pytest.raises(AffectlineError, match="row 1 has 2303 pixels"):
        dataset.load(write(tmp_path, f"3,{short},Training", f"3,{long},Training"))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE}", header="emotion,pixels")
    with pytest.raises(AffectlineError, match="lacks the column Usage"):
        dataset.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"cannot read --data .*none\.csv"):
        dataset.load(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("binary.csv", bytes(range(256)) * 4),
        ("torn.csv.xz", lzma.compress(b"emotion,pixels,Usage\n" * 99)[:-30]),
        ("plain.csv.xz", b"emotion,pixels,Usage\n"),
        ("plain.csv.gz", b"emotion,pixels,Usage\n"),
        ("plain.csv.zip", b"emotion,pixels,Usage\n"),
        ("header.csv", b"emotion,pixels,Usage\n"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AffectlineError, match=rf"--data .*{name}"):
        dataset.load(tmp_path / name)


def test_a_split_without_rows_is_named(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training"))
    with pytest.raises(AffectlineError, match="no PrivateTest rows"):
        faces.only(Split.PRIVATE_TEST)
