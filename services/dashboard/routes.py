"""What the server gives beside the pages: the live socket, snapshots, reports."""

import io
import json
import zipfile
from typing import Annotated, Final, Protocol

from fastapi import FastAPI, Query, WebSocket
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse, PlainTextResponse, Response

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import describe
from affectline.services.dashboard.app_state import AppState
from affectline.services.web.hub_client import HubClient
from affectline.services.dashboard.session_store import REPORT
from affectline.services.web.auth import REFUSED
from affectline.services.web.components import STYLE_URL, WEB
from affectline.services.web.frame_pairs import FrameResult

FRAMES_MAX: Final = 16
REPORT_POLICY: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""A report is a file that anybody may have put there: it gets no origin, no cookie, no network."""


class PageBackend(Protocol):
    """What pages are about. Lives in the server's event loop."""

    async def open(self) -> None:
        """Begin to listen."""

    async def close(self) -> None:
        """End everything that was begun here."""

    def channel(self, feed: str) -> HubClient | None:
        """The hub that a page wants to listen to; None where there is none."""

    def send_away(self) -> None:
        """End all live sockets."""


def add_feed(app: FastAPI, premises: PageBackend) -> None:
    """Have the server give what all pages need: the live socket, and how they look."""

    @app.websocket("/feed/{feed}")
    async def listen(socket: WebSocket, feed: str) -> None:
        channel = premises.channel(feed)
        if channel is None:
            await socket.close(REFUSED)
        else:
            await channel.audience.welcome(socket, channel.history)

    app.mount(STYLE_URL, StaticFiles(directory=WEB))


def add_routes(app: FastAPI, house: AppState) -> None:
    """Have the server give snapshots and reports."""

    @app.get("/snapshot")
    async def snapshot(
        feed: str, viewer: str, frame: Annotated[list[str], Query(max_length=FRAMES_MAX)]
    ) -> Response:
        channel = house.channel(feed)
        who = channel.audience.viewers.get(viewer) if channel else None
        found = [who.find(*identity) for text in frame if who and (identity := identify(text))]
        pairs = [pair for pair in found if pair]
        if not pairs:
            return PlainTextResponse("This picture is not on the page any more.", 404)
        return Response(
            pack(pairs),
            media_type="application/zip",
            headers={
                "content-disposition": "attachment",  # the page gives it its name
                "cache-control": "no-store",
            },
        )

    @app.get("/report/{name}")
    async def report(name: str) -> Response:
        try:
            path = house.shelf.session(name) / REPORT
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        if path.is_symlink() or not path.is_file():
            return PlainTextResponse(f"There is no report on {name}.", 404)
        headers = {"content-security-policy": REPORT_POLICY, "cache-control": "no-store"}
        return FileResponse(path, media_type="text/html", headers=headers)


def identify(text: str) -> tuple[str, int, int] | None:
    """A frame's identity, from ``stream:epoch:seq``; None where it is none."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 20 for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def pack(pairs: list[FrameResult]) -> bytes:
    """A ZIP file with each picture as it was analysed, and everything that was said about it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # JPEG files do not shrink
        for pair in pairs:
            stem = f"{pair.stream}-{pair.emotion.seq:06d}"
            picture = pair.jpeg()
            if picture:
                archive.writestr(f"{stem}.jpg", picture)
            archive.writestr(f"{stem}.json", json.dumps(describe(pair.emotion), indent=2))
    return file.getvalue()
