"""A report from a file, also from one that is not whole."""

from pathlib import Path
from typing import Any

import pytest
from mcap.opcode import Opcode

from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.cli.report import choose_format, report
from tests.recordings import recording, write_recording


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
    assert "Model m@1: its accuracy is unknown here" in page
    assert ", privacy everything" in page
    assert "data:image/jpeg" in page
    assert ("The recording is incomplete: the end is missing" in page) is not whole
    assert complained.count("\n") == (0 if whole else 1)


def test_a_report_replaces_only_a_report(tmp_path: Path) -> None:
    session = write_recording(tmp_path / "drive")
    page = tmp_path / "page.html"
    report(session, page)
    report(session, page)
    film = tmp_path / "drive.mp4"
    film.write_bytes(b"frames")
    for format_ in ("html", "pdf"):
        with pytest.raises(AffectlineError, match=r"--out .*drive.mp4: is there already, and is"):
            report(session, film, format_)
    assert film.read_bytes() == b"frames"
    with pytest.raises(AffectlineError, match=r"there is no folder .*new"):
        report(session, tmp_path / "new" / "page.html")
    assert not (tmp_path / "new").exists()


def test_a_report_says_what_the_recording_lacks(tmp_path: Path) -> None:
    session = write_recording(tmp_path / "drive", lacking=range(20, 32))
    report(session)
    page = (session / "report.html").read_text()
    assert (
        "<p class=warning>12 of 60 frames of drive are missing: live delivery does not wait" in page
    )
    assert "12 of 60 results of drive are missing" in page
    raw = bytearray((session / "session.mcap").read_bytes())
    with SessionReader(session) as reader:
        chunk = next(r for r in reader.file.records() if r.opcode == Opcode.CHUNK)
    raw[chunk.start + 60 : chunk.end] = bytes(chunk.end - chunk.start - 60)
    (session / "session.mcap").write_bytes(raw)
    report(session)
    page = (session / "report.html").read_text()
    assert "The recording is incomplete" in page
    assert "the recorder wrote them, and they are no longer in the file" in page


def test_a_session_that_is_still_recorded_is_not_called_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = write_recording(tmp_path / "drive")
    file = session / "session.mcap"
    file.write_bytes(file.read_bytes()[:-30])
    for is_open in (True, False):
        with file.open("rb") as recorder:
            assert not is_open or try_lock(recorder)
            report(session, tmp_path / "r.html")
        said = capsys.readouterr().err
        assert ("it is still being recorded" in said) is is_open
        assert ("was not stopped properly" in said) is not is_open


@pytest.mark.parametrize(
    ("to", "out", "chosen"),
    [
        (None, None, "html"), ("pdf", None, "pdf"), (None, "r.PDF", "pdf"), (None, "r.htm", "html"),
        ("pdf", "r.pdf", "pdf"), ("pdf", "report", "pdf"), (None, "report", "html"),
        ("html", "r.pdf", None), ("pdf", "r.html", None),
    ],
)  # fmt: skip
def test_the_format_is_that_of_the_file(to: Any, out: str | None, chosen: str | None) -> None:
    path = Path(out) if out else None
    if chosen:
        assert choose_format(to, path) == chosen
        return
    with pytest.raises(AffectlineError, match=f"--out {out} with --to {to}: they differ"):
        choose_format(to, path)
