"""``affectline collect`` reads the source that was named, or else that of the settings."""

import pytest

from affectline.common.settings.sources import SourceSettings
from affectline.services.cli.collect import find_source

LISTED = (SourceSettings(name="booth", source="2"), SourceSettings(name="hall", source="film.mp4"))


@pytest.mark.parametrize(
    ("given", "name", "source"),
    [(None, "booth", "2"), ("hall", "hall", "film.mp4"), ("0", "camera0", "0")],
)
def test_a_source_is_that_of_the_option_or_the_first_of_the_settings(
    given: str | None, name: str, source: str
) -> None:
    found = find_source(given, LISTED)
    assert (found.name, str(found.source)) == (name, source)


def test_without_any_it_is_the_first_camera() -> None:
    assert str(find_source(None, ()).source) == "0"
