"""The certificate of the pages is made by a command, too, and told by its fingerprint."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("cryptography", reason="certificates need the dashboard extra")

from affectline.services.cli.keys import keys
from affectline.services.web.certificate import load_or_make


def call(*arguments: str) -> str:
    done = CliRunner().invoke(keys, ["certificate", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_it_is_made_told_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_KEYS", str(tmp_path / "keys"))
    made = call("--name", "lab.example")
    assert "that was made" in made
    known = call()
    assert "that was made" not in known
    fingerprint = re.search("fingerprint: ([0-9A-F:]{95})\n", known)
    assert fingerprint
    assert fingerprint[1] in made
    assert load_or_make(tmp_path / "keys", ("lab.example",)).fingerprint == fingerprint[1]
    assert fingerprint[1] not in call("--new")
    assert "that was made" in call("--folder", str(tmp_path / "other"))
