"""Faces and probabilities on the clips stay what they were before the pipeline became faster.

``tests/golden/clips.csv`` has what the detector and the classifier found in every frame at commit
36ce891: boxes in pixels, and the probabilities of single frames in thousandths. A change that is
meant to find or say something else writes it again:
``python -m tests.integration.test_same_results FOLDER``, with the folder of the clips.

They are not the same to the last digit: a frame's JPEG differs by a level or two of brightness, a
crop by a fraction of a pixel, and other processors round differently. The limits are about those
of the former pipeline against itself, with its JPEG quality at 91 instead of 90: probabilities
differed by 0.0124, 0.0036 and 0.0029 on average, and 4 of 76, 2 of 415 and none of 71 clear labels
(carphone, which has 56 pixels a face, expressive_woman, smiling_man).
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import affectline
from affectline.common.labels import LABELS

TABLE = Path(__file__).parents[1] / "golden" / "clips.csv"
CLEAR_LEAD = 0.1
"""Where one label leads by less, the last digits decide which comes first."""


class Found(NamedTuple):
    """The one face of a frame."""

    box: NDArray[np.float64]
    """``(4,)``: x, y, width and height in pixels."""
    probabilities: NDArray[np.float64]
    """``(7,)``, of the single frame."""


def table(clip: str) -> dict[int, Found | None]:
    """What was found in a clip, by frame; None in a frame without a face."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row[0] == clip]
    return {int(row[1]): _found(row[2:6], row[6:13]) for row in rows}


def _found(box: list[str], thousandths: list[str]) -> Found | None:
    if not box[0]:
        return None
    return Found(np.array(box, float), np.array(thousandths, float) / 1000)


def analyse(film: Path) -> dict[int, Found | None]:
    """What is found now."""
    frames = affectline.analyse(film)
    columns = [f"{label}_frame" for label in LABELS]
    faces = frames[frames["track"].notna()].set_index("seq")
    return {
        int(seq): Found(
            faces.loc[seq, ["x", "y", "w", "h"]].to_numpy(float),
            faces.loc[seq, columns].to_numpy(float),
        )
        if seq in faces.index
        else None
        for seq in frames["seq"]
    }


@pytest.mark.parametrize("clip", ["carphone", "expressive_woman", "no_face", "smiling_man"])
def test_a_clip_gives_the_results_of_the_former_pipeline(clips: Path, clip: str) -> None:
    before, now = table(clip), analyse(clips / f"{clip}.mp4")
    assert {seq for seq, face in now.items() if face} == {s for s, f in before.items() if f}
    assert now.keys() == before.keys()
    pairs = [(old, new) for seq, old in before.items() if old and (new := now[seq])]
    if not pairs:
        return
    places = np.array([[old.box, new.box] for old, new in pairs])
    sides = places[:, 0, 2]
    centres = places[:, :, :2] + places[:, :, 2:] / 2
    moved = np.linalg.norm(centres[:, 0] - centres[:, 1], axis=1) / sides
    assert moved.mean() < 0.01, "of the face's width"
    assert moved.max() < 0.05
    was = np.array([old.probabilities for old, _ in pairs])
    told = np.array([new.probabilities for _, new in pairs])
    assert np.abs(was - told).mean() < 0.02
    first, second = np.sort(was)[:, -1], np.sort(was)[:, -2]
    is_clear = first - second > CLEAR_LEAD
    differs = was.argmax(axis=1) != told.argmax(axis=1)
    assert differs[is_clear].sum() <= max(1, 0.06 * is_clear.sum())


def rows(folder: Path) -> Iterator[tuple[object, ...]]:
    """The table of the clips in a folder."""
    for film in sorted(folder.glob("*.mp4")):
        for seq, face in analyse(film).items():
            shown = (
                [*face.box.astype(int), *np.round(1000 * face.probabilities).astype(int)]
                if face
                else []
            )
            yield film.stem, seq, *shown, *[""] * (11 - len(shown))


if __name__ == "__main__":
    with TABLE.open("w", newline="", encoding="utf-8") as output:
        head = ("clip", "seq", "x", "y", "width", "height", *LABELS)
        csv.writer(output, lineterminator="\n").writerows([head, *rows(Path(sys.argv[1]))])
