"""A folder of pictures of faces: a sub-folder for each label, or a manifest.

Pictures may have any size. If one is not square, it is padded by repeating its edge pixels:
squashing would distort the face, and cropping would cut off the chin or the brows.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from affectline.common.labels import LABELS, USAGES
from affectline.training.data.csv_rows import read_rows
from affectline.training.data.faces import FaceCollector, ParsedFaces
from affectline.training.data.names import normalise_path, restore_bytes
from affectline.training.data.problems import DataProblem, ReportProblem, ReportProgress, unreadable
from affectline.training.silence_output import silence_output

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("file", "label")
"""Required columns of a manifest."""
OPTIONAL: Final = ("Usage", "person")
"""Its other known columns."""
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
KINDS: Final = "PNG, JPEG, BMP, WebP or TIFF"
NAMES: Final = {
    **{label: index for index, label in enumerate(LABELS)},
    **{"anger": 0, "happiness": 3, "sadness": 4},
}
"""Names of labels in lower case, and synonyms."""
IGNORED_FILES: Final = ("thumbs.db", "desktop.ini")
MAX_SIDE: Final = 16_384
"""Longest side of a picture in pixels; larger squares would fill the memory."""
BACKGROUND_GRAY: Final = 128
"""Gray level behind transparent pixels."""
ORIENTATION: Final = 0x0112
"""The EXIF tag."""


@dataclass(frozen=True)
class ImageEntry:
    """A picture that has not been read yet."""

    file: Path
    name: str
    """Its path below the folder, in the form of `normalise_path`."""
    emotion: int
    row: int | None = None
    usage: str = ""
    person: str = ""


def read(
    path: Path, report: ReportProblem, rows: int | None, size: int, progress: ReportProgress
) -> ParsedFaces:
    """Read a folder of pictures; see ``dataset.read`` for the arguments."""
    collector = FaceCollector(size)
    manifest = path / MANIFEST
    entries = (
        _entries_in_manifest(manifest, report, progress)
        if manifest.is_file()
        else _entries_by_folder(path, report, progress)
    )
    for entry in islice(entries, rows):
        collector.total += 1
        if entry is None:
            continue
        try:
            content = entry.file.read_bytes()
        except OSError as error:
            text = f"cannot be read ({error.strerror or error})"
            report(DataProblem("picture", text, "check the file", entry.row, entry.name))
            continue
        picture = decode(content)
        if picture is None:
            fix = f"pictures must be complete {KINDS} files of 8 or 16 bits"
            report(DataProblem("picture", "is not a readable picture", fix, entry.row, entry.name))
            continue
        if max(picture.shape) > MAX_SIDE:
            height, width = picture.shape
            fix = f"crop the face; a side may have at most {MAX_SIDE} pixels"
            text = f"is {width}x{height} pixels"
            report(DataProblem("picture", text, fix, entry.row, entry.name))
            continue
        usage, split_by = choose_split(entry, content)
        square, side = pad_to_square(picture), max(picture.shape)
        collector.add(square, entry.emotion, usage, entry.name, side, split_by, entry.person)
    if not collector.total and not manifest.is_file():
        fix = f"add a sub-folder of pictures for each label, or a {MANIFEST}"
        report(DataProblem("file", f"--data {path} holds no pictures of faces", fix))
    return collector.collect(from_folder=True)


def choose_split(entry: ImageEntry, content: bytes) -> tuple[str, str]:
    """The split of a picture with this content, and what decided it: one of ``SPLIT_BY``."""
    if entry.usage:
        return entry.usage, "Usage"
    if entry.person:
        return assign_split(entry.person.encode()), "person"
    return assign_split(content), "bytes"


def assign_split(key: bytes) -> str:
    """The split of a person or picture: always the same for the same key, on every machine.

    Of ten keys, eight go to Training and one each to PublicTest and PrivateTest.
    """
    tenth = int.from_bytes(hashlib.sha256(key).digest()[:8]) % 10
    return USAGES[max(0, tenth - 7)]


def decode(content: bytes) -> NDArray[np.uint8] | None:
    """Decode a picture file as grayscale, turned upright by its EXIF orientation.

    Of 16 bits, the upper 8 are kept. Transparent pixels become middle gray.

    Returns:
        ``(H, W) uint8``, or ``None`` if it cannot be decoded.
    """
    data = np.frombuffer(content, dtype=np.uint8)
    try:
        # libpng and libjpeg report damage on stderr; the caller reports it better.
        with silence_output():
            picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            # Only the flags for pictures without transparency apply the EXIF orientation
            if picture is not None and _has_alpha(picture):
                picture = _turn_upright(picture, _read_orientation(content))
            elif picture is not None:
                picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        return None
    if picture.dtype == np.uint16:
        picture = (picture // 256).astype(np.uint8)
    if _has_alpha(picture):
        gray = cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY).astype(np.float32)
        opacity = picture[..., 3] / np.float32(255)
        picture = np.rint(gray * opacity + BACKGROUND_GRAY * (1 - opacity)).astype(np.uint8)
    return np.asarray(picture, dtype=np.uint8)


def _has_alpha(picture: NDArray[np.generic]) -> bool:
    return picture.ndim == 3 and picture.shape[2] == 4


def _read_orientation(content: bytes) -> int:
    """The EXIF orientation, 1 to 8, that decoding did not apply; 1 is upright."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format == "TIFF":  # turned by its decoder already
                return 1
            found = picture.getexif().get(ORIENTATION)
    except Exception:  # OpenCV has read the picture, so only its EXIF data can be damaged
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turn_upright(picture: Any, orientation: int) -> Any:
    """Undo an EXIF orientation of a picture ``(H, W, C)``."""
    if orientation > 4:
        picture = picture.swapaxes(0, 1)
    flips = (orientation - 1) % 4
    if flips in (1, 2):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture[::-1] if flips in (2, 3) else picture)


def pad_to_square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a picture ``(H, W)`` square by repeating the edge pixels of its longer sides."""
    height, width = picture.shape
    missing = abs(height - width)
    shared, none = (missing // 2, missing - missing // 2), (0, 0)
    return np.pad(picture, (none, shared) if height > width else (shared, none), "edge")


def _entries_by_folder(
    path: Path, report: ReportProblem, progress: ReportProgress
) -> Iterator[ImageEntry | None]:
    """Yield the pictures in sub-folders named like labels, in order of their paths."""
    known = f"sub-folders must be named {', '.join(LABELS)}"
    found: list[tuple[Path, int]] = []
    for folder in _list_visible(path, report):
        if not folder.is_dir():
            if folder.suffix.lower() in SUFFIXES:
                text = "has no label: it is not in a sub-folder"
                report(DataProblem("label", text, known, file=folder.name))
        elif folder.name.lower() not in NAMES:
            report(DataProblem("label", "is not a label's name", known, file=f"{folder.name}/"))
        else:
            found += [(file, NAMES[folder.name.lower()]) for file in _list_visible(folder, report)]
    for number, (file, emotion) in enumerate(found):
        progress(number / len(found))
        name = normalise_path(file.relative_to(path).as_posix())
        if file.is_dir():
            fix = (
                f"put pictures directly into the labels' sub-folders, or list them in a {MANIFEST} "
                f"with the columns {', '.join(COLUMNS)}, and person if its folders are people"
            )
            text = "is a folder, and pictures in it are not read"
            report(DataProblem("picture", text, fix, file=f"{name}/"))
            yield None
        elif file.suffix.lower() in SUFFIXES:
            yield ImageEntry(file, name, emotion)
        else:
            fix = f"keep only {KINDS} files in the labels' sub-folders"
            report(DataProblem("picture", "is not an image, going by its name", fix, file=name))
            yield None


def _list_visible(folder: Path, report: ReportProblem) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        report(unreadable(folder, error))
        return []
    return [e for e in entries if e.name[0] != "." and e.name.lower() not in IGNORED_FILES]


def _entries_in_manifest(
    manifest: Path, report: ReportProblem, progress: ReportProgress
) -> Iterator[ImageEntry | None]:
    """Yield the pictures that a manifest lists, in order; ``None`` for an unusable row."""
    seen: dict[Path, int] = {}
    rows = read_rows(manifest, COLUMNS, report, progress, OPTIONAL)
    for row, fields in enumerate(rows, start=1):
        if fields is None:
            yield None
            continue
        name, label = normalise_path(fields["file"]), fields["label"].lower()
        file = resolve_file(manifest.parent, fields["file"])
        problems = list(_check_row(fields, file, seen))
        for kind, text, fix in problems:
            report(DataProblem(kind, text, fix, row, fields["file"][:200]))
        if file is None or problems:
            yield None
            continue
        seen[file] = row
        yield ImageEntry(
            file, name, NAMES[label], row, fields.get("Usage", ""), fields.get("person", "")
        )


def _check_row(
    fields: dict[str, str], file: Path | None, seen: dict[Path, int]
) -> Iterator[tuple[str, str, str]]:
    """Yield kind, text and fix of each problem with a row of a manifest."""
    if file is None:
        fix = f"name files by their path below the folder of {MANIFEST}"
        yield (
            "path",
            f"has the file {fields['file'][:200]!r}, which is not below the folder",
            fix,
        )
    elif file in seen:
        yield "twice", f"lists the file of row {seen[file]} again", "list each file once"
    if fields["label"].lower() not in NAMES:
        fix = f"labels are {', '.join(LABELS)}"
        yield "label", f"has the label {fields['label'][:20]!r}", fix
    if fields.get("Usage", USAGES[0]) not in USAGES:
        fix = (
            f"Usage is one of {', '.join(USAGES)}; without this column, rows are assigned to splits"
        )
        yield "usage", f"has the Usage {fields['Usage'][:20]!r}", fix


def resolve_file(folder: Path, name: str) -> Path | None:
    """Resolve a file name of a manifest, with links; ``None`` if it is not below the folder."""
    name = restore_bytes(name).replace("\\", "/")
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts or PureWindowsPath(name).drive:
        return None
    try:
        file = (folder / name).resolve()
        below = file.is_relative_to(folder.resolve()) and file != folder.resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL byte, a link to itself
        return None
    return file if below else None
