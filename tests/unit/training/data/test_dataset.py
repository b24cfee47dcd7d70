import bz2
import csv
import gzip
import io
import lzma
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.training.data import dataset
from affectline.training.data.csv_rows import read_rows
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.problems import DataProblem
from affectline.training.data.splits import Split

FACE = " ".join(str(value % 256) for value in range(2304))
HEADER = "emotion,pixels,Usage"
ROW = f"3,{FACE},Training\n".encode()
CONTENT = f"{HEADER}\n".encode() + ROW


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "faces.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


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
    assert faces.select(Split.TRAINING).emotions.tolist() == [0, 3]
    assert faces.select(Split.PUBLIC_TEST).emotions.tolist() == [2]
    assert faces.select(Split.PRIVATE_TEST).emotions.tolist() == [1]
    assert faces.select(Split.TEST).emotions.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("faces.csv.xz", lzma.compress(CONTENT)),
        ("faces.csv.gz", gzip.compress(CONTENT)),
        ("faces.csv.bz2", bz2.compress(CONTENT)),
        ("faces.zip", zipped({"fer/faces.csv": CONTENT, "fer/README": b"", "__MACOSX/f.csv": b""})),
        ("FACES.CSV.GZ", gzip.compress(CONTENT)),
        ("marked.csv", b"\xef\xbb\xbf" + CONTENT),
        ("windows.csv", CONTENT.replace(b"\n", b"\r\n")),
        ("unfinished.csv", CONTENT.strip()),
        ("commas.csv", CONTENT.strip() + b",,"),
        ("quoted.csv", CONTENT.replace(FACE.encode(), b'"' + FACE.encode() + b'"')),
        ("more.csv", f"Usage, pixels,name,emotion\nTraining,{FACE},ada,3\n".encode()),
    ],
)
def test_how_it_is_written_changes_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    plain = write(tmp_path, f"3,{FACE},Training")
    other = tmp_path / name
    other.write_bytes(content)
    assert dataset.load(other).sha256 == dataset.load(plain).sha256


def test_pictures_come_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training", f"6,{' '.join(['9'] * 2304)},Training")
    faces = dataset.load(file, size=96)
    assert faces.pixels.shape == (2, 96, 96)
    assert (faces.pixels[1] == 9).all()
    assert dataset.load(file, size=32).pixels.shape == (2, 32, 32)


def test_without_votes_the_shares_are_zero_and_rows_are_numbered(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training", f"6,{FACE},PublicTest"))
    assert faces.votes.shape == (2, 7)
    assert faces.votes.dtype == np.float32
    assert not faces.votes.any()
    assert faces.sources == ("row 1", "row 2")


def test_a_split_keeps_its_votes_and_names() -> None:
    faces = LabelledFaces(
        np.zeros((3, 48, 48), np.uint8),
        np.array([0, 1, 2]),
        np.array(["Training", "PublicTest", "Training"]),
        np.eye(7, dtype=np.float32)[:3],
        ("a", "b", "c"),
    )
    chosen = faces.select(Split.TRAINING)
    assert chosen.votes.argmax(axis=1).tolist() == [0, 2]
    assert chosen.sources == ("a", "c")


def test_the_fingerprint_of_faces_does_not_change(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training"))
    assert faces.sha256 == "3b437fb7c4812f1cecba236bd7ba57c030b82764a662e609756e0cffa72782ab"
    voted = replace(faces, votes=np.eye(7, dtype=np.float32)[:1])
    assert voted.sha256 == faces.sha256


def test_fingerprint_sees_a_changed_label(tmp_path: Path) -> None:
    first = dataset.load(write(tmp_path, f"3,{FACE},Training")).sha256
    assert dataset.load(write(tmp_path, f"4,{FACE},Training")).sha256 != first


def test_fingerprint_of_votes(tmp_path: Path) -> None:
    faces = dataset.load(write(tmp_path, f"3,{FACE},Training"))
    assert faces.votes_sha256 == "none"
    told = [replace(faces, votes=np.eye(7, dtype=np.float32)[[label]]) for label in (3, 4)]
    assert told[0].votes_sha256 != told[1].votes_sha256
    assert told[0].sha256 == faces.sha256


def test_unusual_spacing_is_still_read(tmp_path: Path) -> None:
    plain = dataset.load(write(tmp_path, f"3,{FACE},Training")).pixels
    spaced = dataset.load(write(tmp_path, f"3, {FACE.replace(' ', '  ')} ,Training")).pixels
    assert (plain == spaced).all()


def test_rows_limits_what_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training", "nonsense,1,x")
    assert len(dataset.load(file, rows=1)) == 1


def test_a_bad_row_keeps_its_number_among_empty_lines(tmp_path: Path) -> None:
    rows = [f"3,{FACE},Training", "", f"3,{FACE},Training", "   ", f"3,{FACE} 7,Training"]
    with pytest.raises(AffectlineError, match=r"^row 3 has 2305 pixels, not 2304: "):
        dataset.load(write(tmp_path, *rows))


def test_the_first_bad_row_is_refused_with_a_hint_at_the_check(tmp_path: Path) -> None:
    file = write(tmp_path, f"3,{FACE},Training", f"3,{FACE},Test", f"7,{FACE},Training")
    with pytest.raises(AffectlineError, match=r"^row 2 .*affectline-train data check .*faces.csv"):
        dataset.load(file)


def test_readings_that_are_left_open_leave_the_limit_of_others_alone(tmp_path: Path) -> None:
    file = write(tmp_path, *3 * [f"3,{FACE},Training"])
    before = csv.field_size_limit()
    problems: list[DataProblem] = []
    first, second = (read_rows(file, ["emotion"], problems.append) for _ in range(2))
    assert next(first) == next(second)
    assert csv.field_size_limit() == before
    assert (len(list(first)), len(list(second)), problems) == (2, 2, [])
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"3,{FACE} x,Training", "row 2 has 2305 pixels, not 2304"),
        (f"3,{FACE}.5,Training", "row 2 has the pixel value '255.5'"),
        (f"3,{FACE[2:]},Training", "row 2 has 2303 pixels, not 2304"),
        ("3,,Training", "row 2 has 0 pixels, not 2304"),
        (f"3,{'255 ' * 224 * 224},Training", "row 2 has 50176 pixels, not 2304"),
        (f"3,{FACE.replace('17', '256', 1)},Training", "row 2 has the pixel value '256'"),
        (f"3,{FACE.replace('17', '-1', 1)},Training", "row 2 has the pixel value '-1'"),
        (f"3,{FACE.replace('17', '1.5', 1)},Training", "row 2 has the pixel value '1.5'"),
        (f"3,{FACE.replace('17', 'x', 1)},Training", "row 2 has the pixel value 'x'"),
        (f"3,{FACE.replace('17', '9' * 5000, 1)},Training", "row 2 has the pixel value '999"),
        (f"3,{FACE.replace('17', chr(0), 1)},Training", "row 2 has the pixel value '\\x00'"),
        (f"3,{FACE.replace('17', chr(0x661), 1)},Training", "row 2 has the pixel value '\u0661'"),
        (f"3,{FACE},Training,more", "row 2 has 4 fields, not 3"),
        (f"3,{FACE}", "row 2 has the Usage ''"),
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
        ("torn.csv.xz", lzma.compress(CONTENT + ROW * 99)[:-30]),
        ("torn.csv.gz", gzip.compress(CONTENT + ROW * 99)[:-30]),
        ("torn.csv.zip", zipped({"faces.csv": CONTENT})[:-30]),
        ("two.csv.zip", zipped({"a.csv": CONTENT, "b.csv": CONTENT})),
        ("wide.csv", CONTENT.decode().encode("utf-16")),
        ("quote.csv", CONTENT + b'3,"' + b"1 " * 2_000_000),
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
        faces.select(Split.PRIVATE_TEST)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.integers(0, len(CONTENT) - 1))
def test_any_damage_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, text: str, place: int
) -> None:
    damaged = CONTENT[:place] + text.encode("utf-8", "surrogatepass") + CONTENT[place + 1 :]
    file = tmp_path_factory.mktemp("damaged") / "faces.csv"
    file.write_bytes(damaged)
    try:
        rows = len(dataset.load(file))
    except AffectlineError as error:
        rows = len(str(error).splitlines())
    assert rows == 1
