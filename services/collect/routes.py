"""Routes besides the page: images of samples, and exports."""

import re
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Final

from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from affectline.common.errors import AffectlineError
from affectline.services.collect import layout
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import Collector
from affectline.services.web.auth import refuse_viewer
from affectline.services.web.logins import visitor_of

EXPORT: Final = re.compile(r"[0-9]{8}-[0-9]{6}-(folder|fer2013)(-[0-9]+)?", re.ASCII)
PRIVATE: Final = {"cache-control": "no-store"}
CHUNK: Final = 1 << 20


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
        packed = pack_export(folder)
        collector.audit.add(visitor_of(request.scope), "export downloaded", export=name)
        return StreamingResponse(
            iter(lambda: packed.read(CHUNK), b""),
            media_type="application/zip",
            headers=PRIVATE | {"content-disposition": f'attachment; filename="{name}.zip"'},
            background=BackgroundTask(packed.close),
        )


def find_export(collection: Collection, name: str) -> Path | None:
    """The folder of an export; None if there is none with that name."""
    if not EXPORT.fullmatch(name):
        return None
    folder = collection.folder / layout.EXPORTS / name
    return folder if folder.is_dir() and not folder.is_symlink() else None


def pack_export(folder: Path) -> IO[bytes]:
    """Pack a folder into an unnamed temporary ZIP file, which leaves no copy of a face on disk."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, f"{folder.name}/{path.relative_to(folder)}")
    file.seek(0)
    return file
