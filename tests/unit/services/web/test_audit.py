"""Audit lines outlive what they are about, and never stop anybody."""

import json
import stat
from pathlib import Path

import pytest

from affectline.services.web.audit import Audit
from affectline.services.web.logins import LOCAL, Visitor


def test_who_did_what_and_when(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "sessions" / "audit.jsonl"
    audit = Audit(file, "dashboard")
    with caplog.at_level("INFO"):
        audit.add(LOCAL, "recording started", session="2a97", keeps="blurred")
        audit.add(Visitor("operator", "operator 3f2a", "192.0.2.1"), "session\ndeleted")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [{**line, "at": len(line["at"])} for line in lines] == [
        {"at": 24, "who": "this machine", "from": "", "did": "recording started",
         "session": "2a97", "keeps": "blurred"},
        {"at": 24, "who": "operator 3f2a", "from": "192.0.2.1", "did": "session\ndeleted"},
    ]  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "audit: this machine: recording started (session 2a97, keeps blurred)" in caplog.text


def test_where_it_cannot_be_written_the_log_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "audit.jsonl"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    file.symlink_to(elsewhere)
    with caplog.at_level("INFO"):
        Audit(file, "dashboard").add(LOCAL, "session deleted")
    assert elsewhere.read_text() == ""
    assert "audit: this machine: session deleted" in caplog.text
    assert "cannot be written" in caplog.text
