import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS, USAGES
from affectline.training.data import dataset
from affectline.training.data import image_folder as folder
from tests.unit.training.faces import NOISE, flat, save


def test_a_sub_folder_for_each_label(tmp_path: Path) -> None:
    for label in ("happy", "Anger", "SADNESS", "surprise"):
        save(tmp_path / label / "a.png", flat(len(label)))
    save(tmp_path / "happy" / "b.png")
    faces = dataset.load(tmp_path)
    assert faces.pixels.shape == (5, 48, 48)
    named = dict(zip(faces.sources, (LABELS[emotion] for emotion in faces.emotions), strict=True))
    assert named == {
        "Anger/a.png": "angry",
        "SADNESS/a.png": "sad",
        "happy/a.png": "happy",
        "happy/b.png": "happy",
        "surprise/a.png": "surprise",
    }
    assert set(faces.usages) <= set(USAGES)
    assert not faces.votes.any()


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "happy" / "a.png")
    for name in (".DS_Store", "happy/.hidden.png", "happy/Thumbs.db", "README.txt"):
        (tmp_path / name).write_bytes(b"\0")
    assert dataset.load(tmp_path).sources == ("happy/a.png",)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".webp", ".tif", ".TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_file_grey_or_colour(tmp_path: Path, suffix: str, channels: int) -> None:
    picture = flat(100, 30, 30)
    if channels == 3:
        picture = np.dstack([picture] * 3)
    save(tmp_path / "fear" / f"a{suffix}", picture)
    assert np.abs(dataset.load(tmp_path).pixels.astype(int) - 100).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / "fear" / f"a{suffix}", flat(200 * 256 + 99, dtype=np.uint16))
    assert (dataset.load(tmp_path).pixels == 200).all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_behind_transparent_pixels_is_a_middle_gray(tmp_path: Path, depth: Any) -> None:
    scale = 1 if depth is np.uint8 else 257
    picture = np.full((48, 48, 4), 200 * scale, depth)
    picture[..., 3] = 255 * scale
    picture[:10, :, 3] = 0
    save(tmp_path / "fear" / "a.png", picture)
    [face] = dataset.load(tmp_path).pixels
    assert (face[:10] == 128).all()
    assert (face[10:] == 200).all()


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    picture = flat(0, 48, 48)
    picture[:24] = 255
    content = cv2.imencode(".jpg", picture)[1].tobytes()
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, 3, 0)  # orientation: upside down
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + tag + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "a.jpg").write_bytes(content[:2] + segment + content[2:])
    [face] = dataset.load(tmp_path).pixels
    assert face[:20].max() < 60
    assert face[-20:].min() > 200


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_a_transparent_picture_is_turned_like_an_opaque_one(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    picture = np.full((20, 30, 4), 255, np.uint8)
    picture[:10, :, :3] = 60
    picture[:, :15, :3] -= 50
    opaque, transparent = Image.fromarray(picture[..., :3]), Image.fromarray(picture)
    transparent.putpixel((29, 19), (255, 255, 255, 254))  # WebP drops what is wholly opaque
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = []
    for image in (opaque, transparent):
        image.save(tmp_path / f"a.{suffix}", exif=exif, lossless=True)
        decoded.append(folder.decode((tmp_path / f"a.{suffix}").read_bytes()))
    assert decoded[0] is not None
    assert decoded[1] is not None
    assert decoded[1].shape == decoded[0].shape == ((20, 30) if orientation < 5 else (30, 20))
    assert np.abs(decoded[0].astype(int) - decoded[1]).max() <= 1


def test_a_transparent_picture_with_damaged_exif_data_stays_as_it_is() -> None:
    picture = np.full((20, 30, 4), 200, np.uint8)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    decoded = folder.decode(content.getvalue())
    assert decoded is not None
    assert decoded.shape == (20, 30)


@pytest.mark.parametrize("size", [32, 48, 96])
def test_pictures_come_at_the_size_that_is_asked_for(tmp_path: Path, size: int) -> None:
    save(tmp_path / "sad" / "tiny.png", flat(3, 1, 1))
    save(tmp_path / "sad" / "large.png", flat(9, 200, 333))
    faces = dataset.load(tmp_path, size=size)
    assert faces.pixels.shape == (2, size, size)
    assert faces.pixels[:, 0, 0].tolist() == [9, 3]


def test_splits_do_not_depend_on_the_size(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / "sad" / f"{number}.png", NOISE[number:, number:])
    assert (dataset.load(tmp_path).usages == dataset.load(tmp_path, size=96).usages).all()


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_frame_is_square_and_has_the_whole_picture_in_its_middle(height: int, width: int) -> None:
    picture = NOISE[:height, :width]
    frame = folder.pad_to_square(picture)
    side = max(height, width)
    assert frame.shape == (side, side)
    top, left = (side - height) // 2, (side - width) // 2
    assert (frame[top : top + height, left : left + width] == picture).all()
    assert (frame[0, left : left + width] == picture[0]).all()
    assert (frame[top : top + height, -1] == picture[:, -1]).all()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("contempt/a.png", "contempt/ is not a label's name.*angry, disgust"),
        ("b.png", r"b\.png has no label"),
    ],
)
def test_a_picture_without_a_label_is_refused(tmp_path: Path, name: str, complaint: str) -> None:
    save(tmp_path / "happy" / "a.png")
    save(tmp_path / name)
    with pytest.raises(AffectlineError, match=complaint):
        dataset.load(tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    with pytest.raises(AffectlineError, match="holds no pictures of faces"):
        dataset.load(tmp_path)


def test_a_folder_that_may_not_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(AffectlineError, match=r"cannot read --data .* \(Permission denied\)"):
        dataset.load(tmp_path)


def torn_png() -> bytes:
    return cv2.imencode(".png", NOISE)[1].tobytes()[:-40]


def float_tiff() -> bytes:
    return cv2.imencode(".tif", NOISE.astype(np.float32))[1].tobytes()


def huge_png() -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    "content", [b"", b"no picture", torn_png(), float_tiff(), huge_png()], ids=range(5)
)
def test_a_picture_that_cannot_be_read_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "bad.png").write_bytes(content)
    with pytest.raises(AffectlineError, match=r"^sad/bad.png is not a readable picture: "):
        dataset.load(tmp_path)
    assert capfd.readouterr().err == ""


def test_a_picture_too_long_to_be_made_square_is_named(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    cv2.imwrite(str(tmp_path / "sad" / "line.png"), np.zeros((1, 60_000), np.uint8))
    with pytest.raises(AffectlineError, match=r"^sad/line.png is 60000x1 pixels: crop the face"):
        dataset.load(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "face.gif"])
def test_what_is_no_picture_among_pictures_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path / "sad" / "a.png")
    (tmp_path / "sad" / name).touch()
    with pytest.raises(AffectlineError, match=rf"^sad/{name} is not an image"):
        dataset.load(tmp_path)


def test_copies_of_a_picture_are_in_one_split(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / "sad" / f"{number}.png", flat(number))
        save(tmp_path / "happy" / f"copy{number}.png", flat(number))
    faces = dataset.load(tmp_path)
    by_picture: dict[int, set[str]] = {}
    for picture, usage in zip(faces.pixels, faces.usages.tolist(), strict=True):
        by_picture.setdefault(int(picture[0, 0]), set()).add(usage)
    assert {len(usages) for usages in by_picture.values()} == {1}


def test_splits_have_about_eight_one_and_one_tenth() -> None:
    usages = [folder.assign_split(f"person {number}".encode()) for number in range(5000)]
    shares = [usages.count(name) / 5000 for name in USAGES]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_the_splits_are_the_same_on_every_machine() -> None:
    people = (b"ada", b"ben", b"cleo", b"dan", b"eve", b"fay", b"gus", b"hal")
    splits = " ".join(folder.assign_split(person)[:2] for person in people)
    assert splits == "Pu Tr Tr Tr Pr Tr Tr Pr"
