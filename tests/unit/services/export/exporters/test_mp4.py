from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Marker, Packet, StreamStart
from affectline.services.export.exporter import make_exporter
from affectline.services.sessions.recording import Recording
from tests.recordings import START, frame


def write_films(packets: list[Packet], folder: Path) -> list[Path]:
    return make_exporter("mp4").export(Recording("drive", lambda: packets), folder)


def test_a_film_has_every_picture_with_its_overlay(tmp_path: Path) -> None:
    start = StreamStart(
        stream="drive",
        epoch=1,
        started_at=START,
        received_at=START,
        session_start=START,
        kind="film",
        source="x",
        live=False,
        rate=1.0,
    )
    messages = [Packet(start), *(packet for index in range(6) for packet in frame(index))]
    (path,) = write_films(messages, tmp_path)
    film = cv2.VideoCapture(str(path))
    pictures = []
    while (found := film.read())[0]:
        pictures.append(found[1])
    film.release()
    assert len(pictures) == 6
    # Narrow pictures are enlarged, and a face has its bars beside it.
    assert pictures[0].shape == (480, 640, 3)
    assert np.abs(pictures[1].astype(int) - pictures[0]).max() > 100


def test_a_film_is_written_again_in_its_place(tmp_path: Path) -> None:
    messages = [packet for index in range(6) for packet in frame(index)]
    for _ in range(2):
        assert write_films(messages, tmp_path) == [tmp_path / "drive.mp4"]
    assert list(tmp_path.iterdir()) == [tmp_path / "drive.mp4"]


@pytest.mark.parametrize("small_disk", ["8k"], indirect=True)
def test_a_film_that_has_no_room_is_one_line(small_disk: Path) -> None:
    messages = [packet for index in range(60) for packet in frame(index)]
    with pytest.raises(AffectlineError, match=r"cannot write to --out .*drive.mp4 was cut off"):
        write_films(messages, small_disk)
    assert list(small_disk.iterdir()) == []


def test_a_session_without_pictures_has_no_film(tmp_path: Path) -> None:
    assert write_films([Packet(Marker(session="s", at=START, label="x"))], tmp_path) == []
