"""Paths below the home folder, which a shell does not always replace."""

from pathlib import Path

import pytest

from affectline.common.settings.pipeline import load
from affectline.common.settings.sources import name_sources
from affectline.common.settings.variables import expand_home
from affectline.services.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_settings_are_read_with_the_home_folder_in_all_paths(home: Path) -> None:
    (home / "c.yaml").write_text(
        "sink: {out: ~/a}\ndashboard: {sessions: ~/all}\n"
        "sources: [{name: film, source: ~/film.mp4}, {name: cam, source: 0}]\n"
        "biometrics: [{driver: csv, file: ~/t.csv, columns: [hr=heart_rate]}]\n"
        "services: {remote: {token_file: ~/token}}\n"
    )
    settings = load(Path("~/c.yaml"))
    assert settings.sink.out == home / "a"
    assert settings.dashboard.sessions == home / "all"
    assert [one.source for one in settings.sources] == [str(home / "film.mp4"), "0"]
    assert settings.biometrics[0].model_dump()["file"] == home / "t.csv"
    assert settings.services["remote"]["token_file"] == str(home / "token")


def test_a_source_is_a_film_in_the_home_folder(home: Path) -> None:
    (named,) = name_sources(["drive=~/film.mp4"])
    assert named.source == str(home / "film.mp4")


def test_only_a_path_below_it_is_replaced(home: Path) -> None:
    given = ["~/a", Path("~/a"), "~", "~other/a", "a~/b", 7]
    assert expand_home(given) == [f"{home}/a", home / "a", "~", "~other/a", "a~/b", 7]


def test_an_option_with_an_equals_sign_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["affectline", "info", "~/here", "--log-level=~/x"])
    with pytest.raises(SystemExit):
        main.main()
    assert f"'{home}/x'" in capsys.readouterr().err
