"""Routes besides the page: images of samples, and exports."""

import re
from pathlib import Path
from typing import IO, Final

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from affectline.common.errors import AffectlineError
from affectline.services.collect import layout
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import Collector
from affectline.services.web import zip_download
from affectline.services.web.auth import refuse_viewer
from affectline.services.web.logins import visitor_of

EXPORT: Final = re.compile(r"[0-9]{8}-[0-9]{6}-(folder|fer2013)(-[0-9]+)?", re.ASCII)
PRIVATE: Final = {"cache-control": "no-store"}


def add_routes(app: FastAPI, collector: Collector) -> None:
    """Serve images of samples, and exports."""
    collection = collector.collection

    @app.get("/take/{person}/{name}")
    def sample(request: Request, person: str, name: str) -> Response:
        if problem := refuse_viewer(request, "see samples"):
            return problem
        try:
            path = collection.picture(f"{layout.PEOPLE}/{person}/{name}")
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        if not path.is_file():
            return PlainTextResponse("The picture is no longer there.", 404)
        return FileResponse(path, media_type="image/png", headers=PRIVATE)

    @app.get("/export/{name}.zip")
    def download(request: Request, name: str) -> Response:
        if problem := refuse_viewer(request, "download exports"):
            return problem
        folder = find_export(collection, name)
        if folder is None:
            return PlainTextResponse("No such export.", 404)
        try:
            packed = pack_export(folder)
        except OSError as error:
            return zip_download.explain(error)
        collector.audit.add(visitor_of(request.scope), "export downloaded", export=name)
        return zip_download.send(packed, name)


def find_export(collection: Collection, name: str) -> Path | None:
    """The folder of an export; None if there is none with that name."""
    if not EXPORT.fullmatch(name):
        return None
    folder = collection.folder / layout.EXPORTS / name
    return folder if folder.is_dir() and not folder.is_symlink() else None


def pack_export(folder: Path) -> IO[bytes]:
    """Pack a folder into an unnamed ZIP file, which leaves no copy of a face on disk."""
    found = [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.is_symlink()]
    files = [(path, f"{folder.name}/{path.relative_to(folder)}") for path in found]
    return zip_download.pack(files, near=folder.parent)
