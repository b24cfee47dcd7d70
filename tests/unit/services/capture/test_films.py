"""Films: times, rotation, length and errors as their containers have them."""

import re
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.services.capture.creation_time import read_creation_time
from affectline.services.capture.film_source import FilmSource
from affectline.services.capture.frame_source import Notes, Source, SourceEnd
from affectline.services.capture.presentation_clock import PresentationClock
from affectline.services.capture.sources import open_source
from affectline.services.capture.spec import CaptureProcess
from tests.films import cut, film, picture, turn
from tests.timed_films import join, timed_film

S, MS = 1_000_000_000, 1_000_000


def read(path: Path) -> tuple[list[float], SourceEnd]:
    """The times of a film's frames in ms, and how it ends."""
    source = FilmSource(str(path), str(path), live=False, path=path)
    times = times_of(source)
    ending = source.ending()
    source.close()
    return times, ending


def times_of(source: Source) -> list[float]:
    times = []
    while (frame := source.read()) is not None:
        assert frame.media_time is not None
        times.append(frame.media_time / MS)
    return times


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts"])
def test_a_variable_rate_gives_the_times_of_the_container(tmp_path: Path, ending: str) -> None:
    times = [0, 40, 90, 500, 510, 1900, 1990]
    found, end = read(timed_film(tmp_path / f"a.{ending}", times))
    assert found == pytest.approx(times, abs=0.5)
    assert end == SourceEnd("end")


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts"])
def test_a_video_that_begins_behind_its_sound_begins_there(tmp_path: Path, ending: str) -> None:
    times = range(850, 2000, 50)
    found, end = read(timed_film(tmp_path / f"a.{ending}", times, sound_ms=2000))
    # In a transport stream, the sound begins with what its encoder adds: 24 ms
    assert found == pytest.approx(list(times), abs=30)
    assert end == SourceEnd("end")


@pytest.mark.parametrize(("ending", "begins"), [("mp4", 850), ("mkv", 850), ("ts", 0)])
def test_a_container_with_a_time_line_has_it_without_sound_too(
    tmp_path: Path, ending: str, begins: int
) -> None:
    found, _ = read(timed_film(tmp_path / f"a.{ending}", range(850, 2000, 50)))
    assert found[0] == pytest.approx(begins, abs=0.5)
    assert found[-1] - found[0] == pytest.approx(1100, abs=0.5)


@pytest.mark.parametrize(("name", "frames"), [
    ("begins_late.ts", 60), ("still_for_two_seconds.mkv", 60), ("variable_rate.webm", 30),
])  # fmt: skip
def test_films_that_were_called_truncated_are_whole(cases: Path, name: str, frames: int) -> None:
    times, end = read(cases / name)
    assert len(times) == frames
    assert end == SourceEnd("end")
    assert times[0] == 0
    assert times == sorted(set(times))


def test_the_times_of_a_still_picture_are_those_of_the_container(cases: Path) -> None:
    times, _ = read(cases / "still_for_two_seconds.mkv")
    assert times[-1] == pytest.approx(3971, abs=0.5)
    assert max(np.diff(times)) == pytest.approx(2035, abs=40)
    times, _ = read(cases / "variable_rate.webm")
    assert times[:3] == [0, 67, 139]


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_two_joined_films_are_one_without_the_hour_between_them(tmp_path: Path, order: str) -> None:
    first = timed_film(tmp_path / "a.ts", range(0, 1000, 40))
    second = timed_film(tmp_path / "b.ts", range(3_600_000, 3_601_000, 40))
    parts = (first, second) if order == "forwards" else (second, first)
    times, end = read(join(tmp_path / "joined.ts", *parts))
    assert times == pytest.approx(list(range(0, 2000, 40)), abs=0.5)
    assert end.reason == "end"
    assert "1 jump in its time stamps closed up: a jump by " in end.detail
    assert "at 1.000 s" in end.detail


HOUR_BETWEEN = [*range(0, 1000, 40), *range(3_600_000, 3_601_000, 40)]


@pytest.mark.parametrize("stamps", [list(range(0, 350_000, 70_000)), HOUR_BETWEEN])
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "wmv", "flv"])
def test_a_long_pause_within_the_declared_length_is_kept(
    tmp_path: Path, ending: str, stamps: list[int]
) -> None:
    """As in a time lapse: players show the frame for so long."""
    codec = {"wmv": "wmv2", "flv": "flv1"}.get(ending, "mpeg4")
    times, end = read(timed_film(tmp_path / f"a.{ending}", stamps, codec=codec))
    assert times == pytest.approx(stamps, abs=0.5)
    assert end == SourceEnd("end")


def test_an_hour_beyond_the_declared_length_is_closed_up_to_one_step(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mkv", HOUR_BETWEEN)
    data = bytearray(path.read_bytes())
    for declared in (data.index(b"\x44\x89\x88") + 3, data.index(b"01:00:0")):
        data[declared : declared + 8] = (
            struct.pack(">d", 1000.0) if declared < 1000 and data[declared] == 0x41 else b"00:00:01"
        )
    path.write_bytes(data)
    times, end = read(path)
    assert times == pytest.approx(list(range(0, 2000, 40)), abs=0.5)
    assert "a jump by +3599.000 s at 1.000 s" in end.detail


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("begins", [0, 1000])
def test_a_transport_stream_that_lacks_packets_is_damaged_and_joined_ones_are_whole(
    tmp_path: Path, codec: str, begins: int
) -> None:
    parts = [
        timed_film(tmp_path / f"{name}.ts", range(first, first + 1000, 40), codec=codec,
                   size=(320, 240))
        for name, first in (("a", 0), ("b", begins))
    ]  # fmt: skip
    path = join(tmp_path / "joined.ts", *parts)
    assert read(path)[1].reason == "end"
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    videos = [i for i, one in enumerate(packets) if one[1] & 0x1F == 1 and one[2] == 0]
    del packets[videos[len(videos) // 4]]
    path.write_bytes(b"".join(packets))
    times, end = read(path)
    assert len(times) >= 49
    assert end.reason == "damaged"
    assert re.search(r"1 frame could not be decoded: at 0\.\d+ s \(in part", end.detail)


def test_a_frame_without_a_time_among_others_is_said(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.ts", range(0, 1000, 40), codec="libx264", size=(320, 240))
    data = bytearray(path.read_bytes())
    begins = [
        at for at in range(0, len(data), 188)
        if data[at + 1] == 0x41 and data[at + 2] == 0 and data.find(b"\0\0\1\xe0", at, at + 188) > 0
    ]  # fmt: skip
    pes = data.index(b"\0\0\1\xe0", begins[10])
    data[pes + 7] &= 0x3F  # neither PTS nor DTS
    path.write_bytes(data)
    times, end = read(path)
    assert times == pytest.approx(list(range(0, 1000, 40)), abs=1)
    assert end.reason == "end"
    assert "1 frame without a time stamp placed one step after the frame before" in end.detail


@pytest.mark.parametrize("rate", [30, 50])
def test_a_film_without_times_has_the_rate_that_its_codec_names(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.h264"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    times, end = read(path)
    assert times == pytest.approx([i * 1000 / rate for i in range(20)], abs=0.01)
    assert end == SourceEnd("end", f"{path}: the file has no times: {rate} frames/s assumed")


def test_a_clock_tells_jitter_from_a_jump_and_a_pause_from_both() -> None:
    jumps = Notes("closed up")
    clock = PresentationClock(40 * MS, 60 * S, jumps)
    stamps = [0, 40, 30, 80, 30_080, None]
    placed = [clock.place(None if s is None else s * MS) / MS for s in stamps]
    assert placed == [0, 40, 41, 80, 30_080, 60_080]
    assert jumps.count == 0
    clock.place(0)
    assert jumps.count == 1


@pytest.mark.parametrize("ending", ["mkv", "webm"])
def test_a_film_that_is_cut_off_is_judged_by_its_length(tmp_path: Path, ending: str) -> None:
    codec = "libvpx" if ending == "webm" else "mpeg4"
    whole = timed_film(tmp_path / f"a.{ending}", range(0, 4000, 40), size=(320, 240), codec=codec)
    assert read(whole)[1] == SourceEnd("end")
    times, end = read(cut(whole, 0.5))
    assert 5 < len(times) < 100
    assert end.reason == "truncated"
    assert (
        f"is truncated: read {len(times)} frames, up to {(times[-1] + 40) / 1000:.1f}" in end.detail
    )
    assert "of 4.0 s" in end.detail
    assert "bytes are missing at its end" in end.detail


def test_a_wmv_that_is_cut_off_is_truncated_unless_it_was_broadcast(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.wmv", range(0, 4000, 40), size=(320, 240), codec="wmv2")
    assert read(path)[1] == SourceEnd("end")
    size = path.stat().st_size
    times, end = read(cut(path, 0.5))
    assert 5 < len(times) < 100
    assert end.reason == "truncated"
    assert f"{size - size // 2} bytes are missing at its end" in end.detail
    data = bytearray(path.read_bytes())
    flags = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 24 + 64
    data[flags] |= 1  # its size was not known when it was written
    path.write_bytes(data)
    assert "missing at its end" not in read(path)[1].detail


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_damage_in_the_middle_is_counted_and_the_rest_is_read(tmp_path: Path, ending: str) -> None:
    path = timed_film(tmp_path / f"a.{ending}", range(0, 4000, 40), size=(320, 240))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b"\x55" * 400
    path.write_bytes(data)
    times, end = read(path)
    assert len(times) >= 95
    assert times[-1] == pytest.approx(3960, abs=1)
    assert end.reason == "damaged"
    assert "could not be decoded: a" in end.detail


def test_colours_are_those_that_opencv_gives(clips: Path) -> None:
    source = FilmSource("a", str(clips / "expressive_woman.mp4"), live=False)
    capture = cv2.VideoCapture(str(clips / "expressive_woman.mp4"), cv2.CAP_FFMPEG)
    for _ in range(5):
        frame = source.read()
        assert frame is not None
        expected = capture.read()[1].astype(int)
        assert np.abs(frame.image - expected).mean() < 0.5
    source.close()
    capture.release()


@pytest.mark.parametrize(
    ("aspect", "quarters", "size"),
    [
        (None, 0, (720, 576)), (Fraction(64, 45), 0, (1024, 576)), (Fraction(8, 9), 0, (720, 648)),
        (Fraction(64, 45), 1, (576, 1024)), (Fraction(201, 200), 0, (720, 576)),
        (Fraction(20, 1), 0, (720, 576)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_pixels_are_square(
    tmp_path: Path, ending: str, aspect: Fraction | None, quarters: int, size: tuple[int, int]
) -> None:
    path = timed_film(
        tmp_path / f"a.{ending}", [0, 40], size=(720, 576), pixel_aspect=aspect, quarters=quarters
    )
    source = FilmSource("a", str(path), live=False)
    for _ in range(2):
        frame = source.read()
        assert frame is not None
        assert not isinstance(frame.content, np.ndarray)
        assert frame.content.size == size
        assert frame.image.shape[1::-1] == size
        planes = frame.content.to_planes()
        assert planes.luma.shape[::-1] == size
        assert np.abs(planes.luma.astype(int) - frame.image[..., 1]).mean() < 3
        # The bright corner is as much larger as the frame
        corner = planes.luma[: size[1] // 4, : size[0] // 4]
        if quarters == 0:
            assert (corner > 128).sum() == pytest.approx(64 * size[0] * size[1] / 414_720, rel=0.4)
    source.close()


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_frames_are_turned_and_mirrored_as_the_container_says(
    tmp_path: Path, ending: str, quarters: int, *, is_mirrored: bool
) -> None:
    plain = FilmSource("a", str(timed_film(tmp_path / f"a.{ending}", [0, 40])), live=False).read()
    path = timed_film(tmp_path / f"b.{ending}", [0, 40], quarters=quarters, is_mirrored=is_mirrored)
    shown = FilmSource("b", str(path), live=False).read()
    assert plain is not None
    assert shown is not None
    expected = np.rot90(plain.image, quarters)
    expected = expected[:, ::-1] if is_mirrored else expected
    assert (shown.image == expected).all()
    assert not isinstance(shown.content, np.ndarray)
    luma = shown.content.to_planes().luma
    assert np.abs(luma.astype(int) - expected[..., 1]).mean() < 3, "the bright corner lies there"


def test_a_matrix_written_by_hand_flips_an_mp4(tmp_path: Path) -> None:
    """As editors and front cameras write it (ISO 14496-12): x becomes -x."""
    path = turn(film(tmp_path / "a.mp4", 2), (-(1 << 16), 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    frame = FilmSource("a", str(path), live=False).read()
    assert frame is not None
    assert frame.image[4, -4].min() > 200
    assert frame.image[4, 4].max() < 60
    assert frame.image[-4, -4].max() < 60


def test_the_creation_time_of_a_container_is_a_date(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mp4", range(0, 400, 40), created="2026-11-28T09:15:00Z")
    expected = 1_795_857_300 * S
    assert read_creation_time(str(path)) == expected
    source = SourceSettings(name="a", source=str(path), start="file", offset=2.5)
    assert CaptureProcess(source=source).calendar_start == expected + 5 * S // 2


def test_without_a_creation_time_the_date_is_to_be_written(tmp_path: Path) -> None:
    path = timed_film(tmp_path / "a.mkv", range(0, 400, 40))
    with pytest.raises(AffectlineError, match=r"start: file: a.mkv: .*no creation time: write"):
        read_creation_time(str(path))
    source = SourceSettings(name="a", source="0", start="file")
    with pytest.raises(AffectlineError, match="only films can have a start date"):
        _ = CaptureProcess(source=source).calendar_start


def test_a_film_opencv_alone_could_open_is_no_worse(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 10)
    times, end = read(path)
    assert times == [i * 40 for i in range(10)]
    assert end == SourceEnd("end")


def test_a_text_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "a.nfo"
    path.write_text("\x1b[31mhello\x1b[0m\n" * 200)
    with pytest.raises(AffectlineError, match=r"a\.nfo: not a video"):
        open_source(SourceSettings(name="a", source=str(path)), CaptureSettings())
