"""Pictures: each by itself, all that can be decoded, and what cannot is named and counted."""

import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.capture.folder_source import FolderSource
from affectline.services.capture.frame_source import SourceEnd, SourceFrame
from affectline.services.capture.picture_check import find_damage
from affectline.services.capture.picture_decoder import PictureDecoder
from tests.films import picture
from tests.unit.services.capture.test_sources import opened, read_all


def save(path: Path, number: int = 0, size: tuple[int, int] = (64, 48)) -> Path:
    assert cv2.imwrite(str(path), picture(number, size))
    return path


def claimed_png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def with_orientation(path: Path, orientation: int) -> Path:
    """Write an EXIF orientation into a JPEG."""
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4)
    segment = b"Exif\0\0" + tiff
    data = path.read_bytes()
    head = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    path.write_bytes(data[:2] + head + segment + data[2:])
    return path


def corners(frame: SourceFrame) -> list[bool]:
    """Which corners are bright: upper left, upper right, lower left, lower right."""
    image = frame.image
    return [bool(c.mean() > 128) for c in (
        image[:8, :8], image[:8, -8:], image[-8:, :8], image[-8:, -8:],
    )]  # fmt: skip


def test_a_folder_is_stills_in_the_order_that_people_count(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        save(tmp_path / f"shot{number}.png", number * 9)
    source = opened(str(tmp_path))
    frames = read_all(source)
    assert [int(f.image[-1, -1, 0]) for f in frames] == [9, 18, 90]
    assert [f.media_time for f in frames] == [None] * 3
    assert [f.file for f in frames] == ["shot1.png", "shot2.png", "shot10.png"]
    assert (source.rate, source.frames) == (None, 3)
    assert source.ending() == SourceEnd("end")


def test_a_folder_is_a_film_where_that_is_said(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    source = opened(str(tmp_path), rate=10)
    frames = read_all(source)
    assert [f.media_time for f in frames] == [0, 100_000_000, 200_000_000]
    assert [f.file for f in frames] == [None] * 3
    assert (source.rate, source.duration_s) == (10, 0.3)


def test_one_picture_is_a_folder_of_one(tmp_path: Path) -> None:
    path = with_orientation(save(tmp_path / "a.jpg"), 6)
    (frame,) = read_all(opened(str(path)))
    assert frame.file == "a.jpg"
    assert frame.image.shape == (64, 48, 3)
    assert corners(frame) == [False, True, False, False]


@pytest.mark.parametrize("as_film", [None, 5.0])
def test_exif_turns_are_honoured_in_folders_too(tmp_path: Path, as_film: float | None) -> None:
    with_orientation(save(tmp_path / "a.jpg"), 3)
    (frame,) = read_all(opened(str(tmp_path), rate=as_film))
    assert corners(frame) == [False, False, False, True]


def test_all_that_can_be_decoded_is_read_and_the_rest_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    for name in ("b.JPG", "c.jpeg", "d.jfif", "e.JPE", "without_ending"):
        (tmp_path / name).write_bytes(data)
    save(tmp_path / "h.webp")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "f.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (tmp_path / "day2").mkdir()
    (tmp_path / "day2" / "g.jpg").write_bytes(data)
    (tmp_path / ".hidden.jpg").write_bytes(data)
    os.mkfifo(tmp_path / "pipe.jpg")
    source = opened(str(tmp_path))
    files = [frame.file for frame in read_all(source)]
    assert files == [
        "a.jpg", "b.JPG", "c.jpeg", "d.jfif", "day2/g.jpg", "e.JPE", "h.webp", "without_ending",
    ]  # fmt: skip
    end = source.ending()
    assert end.reason == "end"
    assert end.detail == f"{tmp_path}: 3 files left out: f.heic, notes.txt, pipe.jpg"


def test_bad_pictures_are_named_counted_and_passed_over(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg", size=(320, 240)).read_bytes()
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.png").write_bytes(claimed_png(50_000, 50_000))
    (tmp_path / "d.png").write_bytes(claimed_png(9_000, 9_000))
    (tmp_path / "e.jpg").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "f.jpg").write_bytes(whole[:-2])
    (tmp_path / "g.jpg").write_bytes(b"")
    save(tmp_path / "z.png")
    source = opened(str(tmp_path))
    assert [frame.file for frame in read_all(source)] == ["a.jpg", "z.png"]
    end = source.ending()
    assert end.reason == "damaged"
    assert end.detail == (
        f"{tmp_path}: 6 of 8 pictures could not be read: b.png (not a picture that can be decoded),"
        " c.png (claims to be too large), d.png (not a picture that can be decoded), e.jpg (cut "
        "off), f.jpg (cut off), ..."
    )


def test_a_name_that_is_no_utf8_is_shown_and_sent_as_text(tmp_path: Path) -> None:
    data = save(tmp_path / "a.png").read_bytes()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b_Zo\xeb.png")).write_bytes(data)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/c_\xeb.png")).write_bytes(data[:50])
    source = opened(str(tmp_path))
    assert [frame.file for frame in read_all(source)] == ["a.png", r"b_Zo\xeb.png"]
    assert r"c_\xeb.png (cut off)" in source.ending().detail
    source.ending().detail.encode()


CRASHING = """
import os, signal
from affectline.services.capture import picture_worker
decode = picture_worker.decode_picture
def crash(path, said):
    if path.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return decode(path, said)
picture_worker.decode_picture = crash
picture_worker.main()
"""


def test_a_picture_that_crashes_the_decoder_is_passed_over(tmp_path: Path) -> None:
    for name in ("a.png", "crash1.png", "crash2.png", "d.png"):
        save(tmp_path / name)
    decoder = PictureDecoder((sys.executable, "-c", CRASHING))
    source = FolderSource(tmp_path, decoder=decoder)
    assert [frame.file for frame in read_all(source)] == ["a.png", "d.png"]
    assert "2 of 4 pictures could not be read: crash1.png (crashed the decoder (SIGSEGV))" in (
        source.ending().detail
    )


def test_a_folder_without_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(AffectlineError, match="the folder holds no pictures"):
        opened(str(tmp_path))


def test_a_preview_inside_a_jpeg_is_not_its_end(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg", size=(320, 240)).read_bytes()
    preview = save(tmp_path / "b.jpg").read_bytes()
    with_preview = data[:2] + b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview + data[2:]
    assert find_damage(with_preview) == ""
    assert find_damage(with_preview + b"a phone's trailer") == ""
    assert find_damage(with_preview[:-40]) == "cut off"


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_other_formats_that_are_cut_off(tmp_path: Path, suffix: str) -> None:
    data = save(tmp_path / f"a{suffix}", size=(320, 240)).read_bytes()
    assert find_damage(data) == ""
    assert find_damage(data[:-20]) == "cut off"


def test_the_time_of_a_picture_of_a_film_is_its_number_whatever_cannot_be_read(
    tmp_path: Path,
) -> None:
    for number in range(12):  # a natural order: 2 before 10
        save(tmp_path / f"{number}.png", 8 * number)
    (tmp_path / "5.png").write_bytes(b"no picture")
    frames = read_all(opened(str(tmp_path), rate=5))
    numbers = [round((frame.media_time or 0) * 5 / 1e9) for frame in frames]
    assert numbers == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert [int(frame.image[-1, -1, 0]) for frame in frames] == [8 * one for one in numbers]
    assert {frame.file for frame in frames} == {None}
