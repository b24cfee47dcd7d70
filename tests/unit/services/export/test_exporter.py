from pathlib import Path

import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Packet
from affectline.services.export import exporter
from affectline.services.export.exporter import EXPORTERS, make_exporter
from affectline.services.sessions.recording import Recording
from tests.recordings import recording


@pytest.mark.parametrize("to", ["csv", "parquet", "xdf", "mp4"])
def test_a_recording_is_read_once(to: str, tmp_path: Path) -> None:
    read = []

    def packets() -> list[Packet]:
        read.append(to)
        return recording()

    assert make_exporter(to).export(Recording("drive", packets), tmp_path)
    assert read == [to]


def test_an_exporter_has_settings_of_its_own() -> None:
    assert make_exporter("csv").settings.delimiter == ","
    assert make_exporter("csv", {"delimiter": ";"}).settings.delimiter == ";"
    with pytest.raises(ValidationError, match="the exporter csv has no such setting"):
        make_exporter("csv", {"compression": "zstd"})
    with pytest.raises(ValidationError, match="delimiter"):
        make_exporter("csv", {"delimiter": "x"})


def test_an_unknown_exporter_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(AffectlineError, match="there are 'bids', 'csv', 'fex', 'foxglove', 'mp4'"):
        make_exporter("docx")


def test_a_package_that_is_missing_is_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporter, "find_spec", lambda _: None)
    with pytest.raises(AffectlineError, match=r"pyarrow.*'affectline\[tables\]'"):
        make_exporter("parquet")


@pytest.mark.parametrize("name", EXPORTERS.names())
def test_every_exporter_says_what_it_writes(name: str) -> None:
    found = make_exporter(name)
    assert found.summary
    assert found.files
    assert found.settings.exporter == name
    assert f"`{name}`" in (Path(__file__).parents[4] / "docs" / "sessions.md").read_text()
