"""What the server offers beside the page: snapshots and reports."""

import io
import json
import zipfile
from typing import Annotated, Final

from fastapi import FastAPI, Query
from starlette.responses import FileResponse, PlainTextResponse, Response

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import describe
from affectline.services.dashboard.app_state import AppState
from affectline.services.sessions.removal import REPORT
from affectline.services.web.frame_pairs import FrameResult

FRAMES_MAX: Final = 16
NOTE: Final = "affectline-note"
"""Response header: what the page says about a snapshot."""
REPORT_POLICY: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""A report may come from anywhere: it gets no origin, no cookie, no network."""


def add_routes(app: FastAPI, state: AppState) -> None:
    """Serve snapshots and reports."""

    @app.get("/snapshot")
    async def snapshot(
        feed: str, viewer: str, frame: Annotated[list[str], Query(max_length=FRAMES_MAX)]
    ) -> Response:
        hub = state.hub_client(feed)
        client = hub.broadcaster.clients.get(viewer) if hub else None
        results = [
            result
            for text in frame
            if client
            and (identity := parse_identity(text))
            and (result := client.find_sent(*identity))
        ]
        if not results:
            return PlainTextResponse("This picture is not on the page any more.", 404)
        has_pictures = state.may_save_pictures(feed)
        return Response(
            pack_snapshot(results, with_pictures=has_pictures),
            media_type="application/zip",
            headers={
                "content-disposition": "attachment",  # the page gives it its name
                "cache-control": "no-store",
                NOTE: "" if has_pictures else "its numbers alone, as the recording's privacy asks",
            },
        )

    @app.get("/report/{name}")
    async def report(name: str) -> Response:
        try:
            path = state.sessions.find(name) / REPORT
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        if path.is_symlink() or not path.is_file():
            return PlainTextResponse(f"There is no report on {name}.", 404)
        headers = {"content-security-policy": REPORT_POLICY, "cache-control": "no-store"}
        return FileResponse(path, media_type="text/html", headers=headers)


def parse_identity(text: str) -> tuple[str, int, int] | None:
    """A frame's identity, from ``stream:epoch:seq``; None where that is malformed."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 20 for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def pack_snapshot(results: list[FrameResult], *, with_pictures: bool = True) -> bytes:
    """A ZIP file with each picture as it was analysed, if wanted, and its results as JSON."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # JPEG files do not shrink
        for result in results:
            stem = f"{result.stream}-{result.emotion.seq:06d}"
            jpeg = result.jpeg() if with_pictures else b""
            if jpeg:
                archive.writestr(f"{stem}.jpg", jpeg)
            archive.writestr(f"{stem}.json", json.dumps(describe(result.emotion), indent=2))
    return file.getvalue()
