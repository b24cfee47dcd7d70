"""What the server gives beside the booth's page: pictures of takes, and exports."""

import re
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse, Response

from common.errors import AffectlineError
from services.booth import files
from services.booth.booth import Booth
from services.booth.collection import Collection

EXPORT: Final = re.compile(r"[0-9]{8}-[0-9]{6}-(folder|fer2013)(-[0-9]+)?", re.ASCII)
PRIVATE: Final = {"cache-control": "no-store"}


def add_routes(app: FastAPI, booth: Booth) -> None:
    """Have the server answer for them."""
    collection = booth.collection

    @app.get("/take/{person}/{name}")
    def take(person: str, name: str) -> Response:
        try:
            path = collection.picture(f"{files.PEOPLE}/{person}/{name}")
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        if not path.is_file():
            return PlainTextResponse("The picture is not there any more.", 404)
        return FileResponse(path, media_type="image/png", headers=PRIVATE)

    @app.get("/export/{name}.zip")
    def download(name: str) -> Response:
        place = find_export(collection, name)
        if place is None:
            return PlainTextResponse("There is no such export.", 404)
        packed = pack(place)
        return FileResponse(
            packed,
            media_type="application/zip",
            filename=f"{name}.zip",
            headers=PRIVATE,
            background=BackgroundTask(packed.unlink, missing_ok=True),
        )


def find_export(collection: Collection, name: str) -> Path | None:
    """The folder of an export; None where there is none of that name."""
    if not EXPORT.fullmatch(name):
        return None
    place = collection.folder / files.EXPORTS / name
    return place if place.is_dir() and not place.is_symlink() else None


def pack(place: Path) -> Path:
    """A folder as a ZIP file, in the system's folder for what is not to stay."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(place.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    archive.write(path, f"{place.name}/{path.relative_to(place)}")
        return Path(file.name)
