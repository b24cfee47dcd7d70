import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="collecting needs NiceGUI (the dashboard extra)")

from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from affectline.common.settings.hub import HubSettings
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import Collector
from affectline.services.collect.exporting import export
from affectline.services.collect.routes import add_routes, pack_export
from affectline.services.web.logins import LOCAL, SCOPE_KEY, Visitor
from tests.unit.services.collect.test_collection import fill


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    fill(tmp_path / "faces", "anna", "ben", "cleo")
    with Collection(tmp_path / "faces") as collection:
        yield collection


@pytest.fixture
def browser(collection: Collection) -> TestClient:
    return browser_of(LOCAL, collection)


def browser_of(visitor: Visitor, collection: Collection) -> TestClient:
    """A browser behind the access control."""
    app = FastAPI()
    add_routes(app, Collector(HubSettings(), collection))

    async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, SCOPE_KEY: visitor}, receive, send)

    return TestClient(let_in)


def test_pictures_of_samples_are_given_out(browser: TestClient, collection: Collection) -> None:
    sample = collection.samples[0]
    answer = browser.get(f"/take/{sample.file.removeprefix('people/')}")
    assert answer.status_code == 200
    assert answer.content == (collection.folder / sample.file).read_bytes()
    assert answer.headers["cache-control"] == "no-store"
    collection.delete(sample.file)
    assert browser.get(f"/take/{sample.file.removeprefix('people/')}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "take/anna/consent.json",
        "take/anna/x.png",
        "take/..%2fanna/x.png",
        "take/%2e%2e/manifest.csv",
        "export/x.zip",
        "export/..zip",
        "export/..%2f..%2fpeople.zip",
        "export/%2e%2e.zip",
        "export/20261125-120000-folder.zip",
    ],
)
def test_nothing_else_is(browser: TestClient, path: str) -> None:
    assert browser.get(f"/{path}").status_code == 404


def test_an_export_is_downloaded_as_a_whole(browser: TestClient, collection: Collection) -> None:
    exported = export(collection, "folder", only_kept=False)
    answer = browser.get(f"/export/{exported.folder.name}.zip")
    assert answer.status_code == 200
    assert (
        answer.headers["content-disposition"]
        == f'attachment; filename="{exported.folder.name}.zip"'
    )
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert len([name for name in names if name.endswith(".png")]) == 6
        assert {name.split("/")[0] for name in names} == {exported.folder.name}


def test_downloads_are_audited_and_not_for_viewers(collection: Collection) -> None:
    name = export(collection, "folder", only_kept=False).folder.name
    viewer = browser_of(Visitor("viewer", "viewer 1", "192.0.2.9"), collection)
    sample = collection.samples[0].file.removeprefix("people/")
    for path in (f"/export/{name}.zip", f"/take/{sample}"):
        assert viewer.get(path).status_code == 403
    operator = browser_of(Visitor("operator", "operator 1", "192.0.2.8"), collection)
    assert operator.get(f"/export/{name}.zip").status_code == 200
    (line,) = (collection.folder / "audit.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert (said["who"], said["from"], said["did"], said["export"]) == (
        "operator 1", "192.0.2.8", "export downloaded", name,
    )  # fmt: skip


def test_no_copy_of_a_face_is_left_by_a_download_that_is_cut_off(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    folder = export(collection, "folder", only_kept=False).folder
    with pack_export(folder) as packed:
        assert list(elsewhere.iterdir()) == []
        assert list(folder.parent.iterdir()) == [folder]
        assert packed.read(2) == b"PK"


def test_a_link_in_the_place_of_an_export_is_not_followed(
    browser: TestClient, collection: Collection
) -> None:
    (collection.folder / "exports").mkdir()
    (collection.folder / "exports" / "20261125-120000-folder").symlink_to("/etc")
    assert browser.get("/export/20261125-120000-folder.zip").status_code == 404
