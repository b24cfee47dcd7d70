"""Which films an archive has, and what they are called."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from affectline.common.errors import AffectlineError
from affectline.services.archive.film_list import list_films, name_films


def test_films_that_differ_in_their_ending_are_called_so(tmp_path: Path) -> None:
    for name in ("a/drive.mp4", "a/drive.mkv", "b/walk.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = name_films(list_films([str(tmp_path)]), {})
    assert list(names.values()) == ["drive-mkv", "drive-mp4", "walk"]


def test_a_name_that_is_no_text_is_told_as_an_address(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"b\xff.mp4")).touch()
    films = list_films([str(tmp_path)])
    assert [film.source for film in films] == [f"{tmp_path.as_uri()}/b%FF.mp4"]
    assert list(name_films(films, {}).values()) == ["b"]


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> NoReturn:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(AffectlineError, match=f"PATH {tmp_path}: Permission denied: make it"):
        list_films([str(tmp_path)])
