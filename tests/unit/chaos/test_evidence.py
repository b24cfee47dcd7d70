"""What is counted in a session folder, where nothing but its files is believed."""

from pathlib import Path

import cv2
import pytest

from tests.chaos.evidence import FrameId, read_timeline
from tests.chaos.film import picture, read_number

HEADER = "epoch,seq,reason,time_s\n"


def rows(folder: Path, *lines: str) -> Path:
    (folder / "emotions.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return folder


def test_faces_of_one_frame_are_one_frame(tmp_path: Path) -> None:
    found = read_timeline(rows(tmp_path, "1,0,,0.0", "1,0,,0.0", "1,1,behind,0.04"))
    assert found.with_result == {FrameId(1, 0), FrameId(1, 1)}
    assert found.skipped == {"behind": 1}
    assert (found.repeated, found.disordered, found.backwards) == (0, 0, 0)


def test_what_is_lost_is_no_result(tmp_path: Path) -> None:
    found = read_timeline(rows(tmp_path, "1,0,,0.0", "1,1,lost,", "1,2,,0.08"))
    assert (found.with_result, found.lost) == ({FrameId(1, 0), FrameId(1, 2)}, {FrameId(1, 1)})


def test_rows_that_come_again_are_seen(tmp_path: Path) -> None:
    found = read_timeline(rows(tmp_path, "1,0,,0.0", "1,1,,0.04", "1,0,,0.0"))
    assert (found.repeated, found.disordered, found.backwards) == (1, 1, 1)


@pytest.mark.parametrize("number", [0, 1, 119, 1234, 2047])
def test_a_picture_shows_its_number_after_jpeg(number: int) -> None:
    jpeg = cv2.imencode(".jpg", picture(number), [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    assert read_number(jpeg) == number
