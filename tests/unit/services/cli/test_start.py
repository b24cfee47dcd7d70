"""Processes are prepared early only for runs whose settings hold no secrets of the environment."""

import pytest

from affectline.services.cli.start import is_plain_run


@pytest.mark.parametrize(
    ("arguments", "is_plain"),
    [
        (["up", "--source", "0"], True),
        (["replay", "sessions/drive"], True),
        ([], False),
        (["--help"], False),
        (["export", "sessions/drive"], False),
        (["up", "--help"], False),
        (["up", "--help-all"], False),
        (["up", "--config", "camera.yaml"], False),
        (["up", "--config=camera.yaml"], False),
        (["up", "--source", "rtsp://me:${PASSWORD}@camera/1"], False),
    ],
)
def test_a_run_without_settings_of_its_own_is_prepared(
    arguments: list[str], is_plain: bool
) -> None:
    assert is_plain_run(arguments) is is_plain
