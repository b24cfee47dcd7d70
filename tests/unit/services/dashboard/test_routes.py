import errno
import io
import os
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs NiceGUI (the dashboard extra)")

from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from affectline.services.dashboard.curve_store import CurveStore
from affectline.services.dashboard.routes import add_curves, add_reports, add_tables
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.web.logins import LOCAL, SCOPE_KEY


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    (folder / "drive").mkdir(parents=True)
    (folder / "drive/emotions.csv").write_text("time_s\n0.0\n")
    (folder / "drive/session.json").write_text("{}")
    (folder / "drive/session.mcap").write_bytes(b"large")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def browser(sessions: Path) -> TestClient:
    app = FastAPI()
    audit = SimpleNamespace(add=lambda *_, **__: None)
    store = SessionStore(sessions)
    curves = CurveStore(store.find_recorded)
    state: Any = SimpleNamespace(sessions=store, audit=audit, curves=curves)
    add_tables(app, state)
    add_reports(app, state)
    add_curves(app, state)

    async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, SCOPE_KEY: LOCAL}, receive, send)

    return TestClient(let_in)


def test_tables_are_downloaded_without_the_temporary_folder(
    browser: TestClient, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's is too small for an hour's tables."""
    monkeypatch.setattr(tempfile, "tempdir", str(sessions / "not here"))
    answer = browser.get("/tables/drive")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="drive.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["drive/emotions.csv", "drive/session.json"]
    assert sorted(path.name for path in sessions.iterdir()) == ["drive", "empty"]
    assert browser.get("/tables/empty").status_code == 404
    assert browser.get("/tables/other").status_code == 404


def test_why_there_is_no_report_or_curve_is_told_in_words_of_the_page(
    browser: TestClient, sessions: Path
) -> None:
    (sessions / "drive/emotions.csv").unlink()
    with browser:  # one loop for all requests
        answer = browser.get("/report/drive")
        assert answer.status_code == 404
        assert answer.text.startswith("no report could be made: session drive/session.mcap: ")
        answer = browser.get("/replay/empty/curves")
        assert answer.status_code == 404
        assert answer.text.startswith("session empty has no recording")
        answer = browser.get("/replay/drive/curves")
        assert answer.status_code == 404
        assert answer.text.startswith("session drive/session.mcap: not a recording")


def test_a_full_disk_is_a_plain_error(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "write", fill)
    answer = browser.get("/tables/drive")
    assert answer.status_code == 507
    assert "No space left on device" in answer.text
    assert "Make room" in answer.text
