"""A report from a file, also from one that is not whole."""

from pathlib import Path

import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.cli.report import report
from tests.recordings import recording


@pytest.mark.parametrize("whole", [True, False])
def test_a_report_says_whether_the_recording_is_whole(
    whole: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = SessionWriter(tmp_path / "session.mcap", {"privacy": "everything", "model": "m@1"})
    for i, packet in enumerate(recording()):
        writer.add(type(packet.message).__name__, codec.encode(packet), i, i)
    writer.flush()
    if whole:
        writer.finish()
    else:
        writer.close()
    report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    said, complained = capsys.readouterr()
    assert "mostly calm" in said
    assert "model m@1, privacy everything" in page
    assert "data:image/jpeg" in page
    assert ("The recording is not whole: the end is missing" in page) is not whole
    assert complained.count("\n") == (0 if whole else 1)
