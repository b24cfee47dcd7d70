"""What attempts at a film leave behind that were killed."""

from pathlib import Path

from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.film_run import remove_remains
from affectline.services.archive.film_task import FilmTask


def test_only_what_is_left_of_this_film_is_removed(tmp_path: Path) -> None:
    names = (".walk.0a1b2c3d", "..walk.0a1b2c3d.part", ".walk.2.0a1b2c3d", "walk", ".walk.part")
    for name in names:
        (tmp_path / name).mkdir()
    task = FilmTask(
        name="walk", source="walk.mp4", settings=PipelineSettings(), folder=tmp_path / "walk"
    )
    remove_remains(task)
    assert {path.name for path in tmp_path.iterdir()} == {".walk.2.0a1b2c3d", "walk", ".walk.part"}
