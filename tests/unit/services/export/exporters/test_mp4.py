from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Marker, Packet, StreamStart
from affectline.services.export.exporter import make_exporter
from affectline.services.export.owned_files import LIST
from affectline.services.sessions.recording import Recording
from tests.recordings import SECOND, START, frame


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


def times_of(path: Path) -> list[float]:
    """When a player shows the pictures, in seconds."""
    with av.open(str(path)) as film:
        return [float(picture.time or 0) for picture in film.decode(video=0)]


def shot(index: int, at: int, media_time: int | None, epoch: int = 1) -> list[Packet]:
    """A frame with its result, at another time."""
    changes = {"captured_at": at, "media_time": media_time, "epoch": epoch}
    return [
        Packet(packet.message.model_copy(update=changes), packet.parts) for packet in frame(index)
    ]


def test_a_film_has_the_times_of_its_own_however_they_vary(tmp_path: Path) -> None:
    """It begins late, holds a picture for an hour, and has three in a tenth of a second."""
    seconds = [0.85, 0.89, 3.25, 3603.0, 3603.04, 3603.05, 3603.1]
    shots = [
        shot(index, START + round(second * SECOND), round(second * SECOND))
        for index, second in enumerate(seconds)
    ]
    (path,) = write_films([packet for packets in shots for packet in packets], tmp_path)
    assert times_of(path) == pytest.approx(seconds, abs=0.0001)


def test_a_cameras_absence_is_left_out(tmp_path: Path) -> None:
    seconds = [600.0, 600.5, 4200.0, 4200.5, 4200.2]
    shots = [
        shot(index, START + round(second * SECOND), None) for index, second in enumerate(seconds)
    ]
    (path,) = write_films([packet for packets in shots for packet in packets], tmp_path)
    assert times_of(path) == pytest.approx([0.0, 0.5, 0.54, 1.04, 1.08], abs=0.0001)


def test_a_film_that_begins_again_goes_on_in_the_video(tmp_path: Path) -> None:
    rounds = [shot(i, START + i * SECOND, i * SECOND, epoch=e) for e in (1, 2) for i in (0, 1)]
    (path,) = write_films([packet for packets in rounds for packet in packets], tmp_path)
    assert times_of(path) == pytest.approx([0.0, 1.0, 1.04, 2.04], abs=0.0001)


def test_a_film_is_written_again_in_its_place(tmp_path: Path) -> None:
    messages = [packet for index in range(6) for packet in frame(index)]
    for _ in range(2):
        assert write_films(messages, tmp_path) == [tmp_path / "drive.mp4"]
    assert {path.name for path in tmp_path.iterdir()} == {"drive.mp4", LIST}


@pytest.mark.parametrize("small_disk", ["8k"], indirect=True)
def test_a_film_that_has_no_room_is_one_line(small_disk: Path) -> None:
    messages = [packet for index in range(60) for packet in frame(index)]
    with pytest.raises(AffectlineError, match=r"cannot write to --out .*drive.mp4 was cut off"):
        write_films(messages, small_disk)
    assert list(small_disk.iterdir()) == []


def test_a_session_without_pictures_has_no_film(tmp_path: Path) -> None:
    assert write_films([Packet(Marker(session="s", at=START, label="x"))], tmp_path) == []
