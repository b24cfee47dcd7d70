"""Which films an archive has, and what they are called."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.film_list import list_films, name_films, settings_for
from tests.calibrations import calibration


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


def test_what_a_folder_holds_beside_films_is_said_unless_it_cannot_be_meant(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "b.3gp", "c.MXF", "d.vob", "e.dv", "f.mpe", "notes.txt", ".g.xyz"):
        (tmp_path / name).touch()
    assert len(list_films([str(tmp_path)])) == 6
    assert caplog.text == ""
    for name in ("1.png", "2.PNG", "h.rm", "raw"):
        (tmp_path / name).touch()
    assert len(list_films([str(tmp_path)])) == 6
    assert f"{tmp_path}: left out: 4 files (.png, .rm, without a suffix), which are" in caplog.text


def test_columns_that_would_have_the_same_name_are_numbered(tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    table.write_text("film,年齢,性別,a b,a-b,Größe\na.mp4,34,f,1,2,180\nb.mp4,,m,,3,\n", "utf-8")
    both, partial = (settings_for(film, PipelineSettings()) for film in list_films([str(table)]))
    assert both.study.fields == {
        "column": "34", "column-2": "f", "a-b-2": "1", "a-b": "2", "Gr--e": "180",
    }  # fmt: skip
    assert partial.study.fields == {"column-2": "m", "a-b": "3"}, "the same names for every film"


def test_a_film_s_own_calibration_is_read_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "calibration.json").write_text(calibration().model_dump_json())
    table = tmp_path / "films.csv"
    table.write_text(
        "film,participant,Calibration\na.mp4,07,anna\nb.mp4,08,\nc.mp4,09,ben\nd.mp4,10,anna\n"
    )
    with_own, without, wrong, mixed = list_films([str(table)])
    chosen = settings_for(with_own, PipelineSettings())
    assert chosen.classifier.calibration == calibration()
    assert "calibration" not in chosen.study.fields
    assert settings_for(without, PipelineSettings()).classifier.calibration is None
    with pytest.raises(AffectlineError, match=r"PATH .*films\.csv, line 4: .*ben: No such file"):
        settings_for(wrong, PipelineSettings())
    with pytest.raises(AffectlineError, match=r"line 5: participant 10: the calibration is of 07"):
        settings_for(mixed, PipelineSettings())
