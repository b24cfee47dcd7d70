"""Pictures as a source of frames: single ones, or the frames of a film."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common.address import display_text
from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import PICTURE_SUFFIXES, is_picture
from affectline.services.capture.frame_source import Notes, SourceEnd, SourceFrame
from affectline.services.capture.picture_decoder import PictureDecoder

GIF: Final = ".gif"
"""A film if it is the source itself; in a folder, its first picture."""


class FolderContent(NamedTuple):
    """The files of a folder and of all folders below it."""

    pictures: list[Path]
    """In the order of their names, with numbers sorted as numbers."""
    others: list[Path]
    """Files that are not pictures, or of a kind that is not read."""


class FolderSource:
    """The pictures of a folder and of all folders below it, or a single picture.

    Args:
        path: The folder or picture.
        rate: Pictures a second if they are frames of a film; else None.
        decoder: Decodes the pictures.

    Raises:
        AffectlineError: There is no picture.
    """

    live = False

    def __init__(
        self, path: Path, rate: float | None = None, decoder: PictureDecoder | None = None
    ) -> None:
        self._path, self._shown = path, display_text(str(path))
        is_folder = path.is_dir()
        self._folder = path if is_folder else path.parent
        content = list_pictures(path) if is_folder else FolderContent([path], [])
        self._paths = content.pictures
        if not self._paths:
            raise AffectlineError(
                f"--source {self._shown}: the folder holds no pictures",
                f"add files ending in {', '.join(sorted(PICTURE_SUFFIXES))}",
            )
        self.rate = rate
        self.frames: int | None = len(self._paths)
        self.duration_s = len(self._paths) / rate if rate else None
        self.damage, self.remarks = Notes("could not be read"), Notes("left out")
        for other in content.others:
            self.remarks.add(self._name(other))
        self._decoder = decoder or PictureDecoder()
        self._frames = self._iterate()

    def _iterate(self) -> Iterator[SourceFrame]:
        # One picture ahead: the next one is decoded while this one is analysed
        self._decoder.request(self._paths[0])
        for i, path in enumerate(self._paths):
            result = self._decoder.result()
            if i + 1 < len(self._paths):
                self._decoder.request(self._paths[i + 1])
            if isinstance(result, str):
                self.damage.add(f"{self._name(path)} ({result})")
                continue
            time = round(i * 1e9 / self.rate) if self.rate else None
            yield SourceFrame(result, time, None if self.rate else self._name(path))

    def _name(self, path: Path) -> str:
        return display_text(str(path.relative_to(self._folder)))

    def read(self) -> SourceFrame | None:
        """The next picture that can be read, upright; None at the end."""
        return next(self._frames, None)

    def ending(self) -> SourceEnd:
        unread = self.damage.describe("picture", len(self._paths))
        detail = "; ".join(filter(None, (unread, self.remarks.describe("file"))))
        detail = detail and f"{self._shown}: {detail}"
        return SourceEnd("damaged" if self.damage.count else "end", detail)

    def close(self) -> None:
        self._frames.close()  # type: ignore[attr-defined]
        self._decoder.close()


def list_pictures(folder: Path) -> FolderContent:
    """All files in a folder and below it, except hidden ones (``.name``).

    Raises:
        AffectlineError: The folder cannot be listed.
    """
    found: list[Path] = []
    unreadable: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(where, name).is_symlink()]  # not followed
        found += [Path(where, name) for name in names + links if not name.startswith(".")]
    if unreadable and not found:
        raise AffectlineError(
            f"--source {display_text(str(folder))}: {unreadable[0].strerror}",
            "name a folder that you may read",
        )
    found.sort(key=lambda path: [_natural(part) for part in path.relative_to(folder).parts])
    pictures = [path for path in found if _is_meant_as_picture(path)]
    kept = set(pictures)
    others = [path for path in found if path not in kept]
    return FolderContent(pictures, others + [Path(str(e.filename)) for e in unreadable])


def _is_meant_as_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name or by its content if the name has no suffix."""
    if not path.is_file():  # a named pipe would never answer
        return False
    suffix = path.suffix.lower()
    return suffix in PICTURE_SUFFIXES or suffix == GIF or is_picture(path)


def _natural(name: str) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p]
