from pathlib import Path

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.training.data import dataset, ferplus
from tests.conftest import SHARED

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
FACE = " ".join(["7"] * 2304)
VOTES = SHARED / "ferplus_votes.csv"


def write_votes(folder: Path, *rows: str, header: str = HEADER) -> Path:
    file = folder / "votes.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def write_faces(folder: Path, *usages: str) -> Path:
    file = folder / "faces.csv"
    rows = [f"3,{FACE},{usage}" for usage in usages]
    file.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return file


def shares(folder: Path, *counts: str) -> list[list[float]]:
    file = write_votes(folder, *(f"Training,a.png,{row}" for row in counts))
    return [row.tolist() for row in ferplus.shares(ferplus.read(file))]


def test_the_columns_are_put_into_the_order_of_our_labels(tmp_path: Path) -> None:
    numbers = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"]
    for place, label in enumerate(numbers):
        counts = ["0"] * 10
        counts[place] = "10"
        [row] = shares(tmp_path, ",".join(counts))
        assert row == [float(name == label) for name in LABELS]


def test_shares_are_of_our_seven_emotions_alone(tmp_path: Path) -> None:
    [row] = shares(tmp_path, "4,4,0,0,0,0,0,1,1,0")
    assert row == pytest.approx([0, 0, 0, 0.5, 0, 0, 0.5])


@pytest.mark.parametrize(
    "counts",
    [
        "0,0,0,0,0,0,0,0,0,10",
        "5,0,0,0,0,0,0,0,0,5",  # as many for "not a face"
        "4,0,0,0,0,0,0,3,3,0",  # four votes left
        "0,0,0,0,0,0,0,0,0,0",
    ],
)
def test_a_row_of_which_people_were_not_sure_has_no_shares(tmp_path: Path, counts: str) -> None:
    assert shares(tmp_path, counts) == [[0] * 7]


def test_a_row_without_a_picture_has_no_shares(tmp_path: Path) -> None:
    file = write_votes(tmp_path, "Training,,10,0,0,0,0,0,0,0,0,0")
    assert not ferplus.shares(ferplus.read(file)).any()
    assert ferplus.majority(file).tolist() == [-1]


@pytest.mark.parametrize(
    ("counts", "label"),
    [
        ("0,6,0,0,0,0,0,4,0,0", 3),
        ("0,0,0,0,3,2,1,0,0,0", 0),
        ("5,5,0,0,0,0,0,0,0,0", -1),
        ("4,0,0,0,0,0,0,6,0,0", -1),
        ("4,0,0,0,0,0,0,0,6,0", -1),
        ("4,0,0,0,0,0,0,0,0,6", -1),
        ("4,0,0,0,0,0,0,4,0,0", -1),
    ],
)
def test_the_majority_is_one_of_ours_and_alone(tmp_path: Path, counts: str, label: int) -> None:
    majority = ferplus.majority(write_votes(tmp_path, f"Training,a.png,{counts}"))
    assert majority.dtype == np.int64
    assert majority.tolist() == [label]


def test_votes_stand_beside_their_rows(tmp_path: Path) -> None:
    data = write_faces(tmp_path, "Training", "PublicTest")
    votes = write_votes(
        tmp_path, "Training,a,0,9,0,0,0,0,0,0,0,0", "PublicTest,,0,0,0,0,0,0,0,0,0,9"
    )
    faces = dataset.load(data, votes=votes)
    assert faces.votes.dtype == np.float32
    assert faces.votes.sum(axis=1).tolist() == [1, 0]
    assert len(dataset.load(data, rows=1, votes=votes)) == 1


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["Training,a,1,1,1,1,1,1,1,1,1,1"], "has 1 rows of votes for 2 rows"),
        (["Training,a,1,1,1,1,1,1,1,1,1,1"] * 3, "has 3 rows of votes for 2 rows"),
        (
            ["Training,a,1,1,1,1,1,1,1,1,1,1"] * 2,
            "has row 2 in 'Training', the data in 'PublicTest'",
        ),
        (["Training,a,1,1,1,x,1,1,1,1,1,1"], "row 1 has the count 'x'"),
        (["Training,a,1,1,1,1,1,1,1,1,1"], "row 1 has the count ''"),
        (["Training,a,1,1,1,1,1,1,1,1,1,1,1"], "row 1 has 13 fields, not 12"),
        ([], "has a header but no rows"),
    ],
)
def test_votes_that_do_not_belong_are_one_line(
    tmp_path: Path, rows: list[str], complaint: str
) -> None:
    data = write_faces(tmp_path, "Training", "PublicTest")
    with pytest.raises(AffectlineError, match=complaint) as caught:
        dataset.load(data, votes=write_votes(tmp_path, *rows))
    assert "votes.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_file_than_ferplus_is_named(tmp_path: Path) -> None:
    data = write_faces(tmp_path, "Training")
    with pytest.raises(
        AffectlineError, match=r"FER\+ votes .*faces.csv: the file lacks the col.* Image"
    ):
        dataset.load(data, votes=data)
    with pytest.raises(AffectlineError, match=r"FER\+ votes .*none.csv: cannot read the file \("):
        dataset.load(data, votes=tmp_path / "none.csv")


def test_a_folder_takes_no_votes(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="is a folder"):
        dataset.load(tmp_path, votes=tmp_path / "votes.csv")


@pytest.mark.skipif(not VOTES.exists(), reason="../shared/data/ferplus_votes.csv is not here")
def test_the_real_votes() -> None:
    table = ferplus.read(VOTES)
    sums = ferplus.shares(table).sum(axis=1)
    assert len(sums) == 35_887
    assert set(np.round(sums, 5)) == {0, 1}
    assert (sums[~table.named] == 0).all()
    majority = ferplus.majority(VOTES)
    assert (majority >= 0).mean() > 0.8
    sure = majority >= 0
    top = ferplus.shares(table).argmax(axis=1)
    voted = sure & (sums > 0)
    assert (top[voted] == majority[voted]).all()
