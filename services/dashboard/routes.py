"""Routes besides the pages: snapshots, reports, tables, and curves of sessions."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import IO, Annotated, Final

from fastapi import FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, PlainTextResponse, Response

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import describe
from affectline.services.dashboard.actions import REPLAY, DashboardActions
from affectline.services.dashboard.app_state import AppState
from affectline.services.sessions.removal import REPORT, hash_name
from affectline.services.web import zip_download
from affectline.services.web.auth import refuse_viewer
from affectline.services.web.frame_pairs import FrameResult
from affectline.services.web.logins import visitor_of

FRAMES_MAX: Final = 16
SECONDS_MAX: Final = 10_000_000.0
SPAN_MAX_S: Final = 1000.0
"""Maximum part of a session: the page requests three times what it shows."""
LOOK_S: Final = 0.1
"""How often to check whether a report is finished."""
NOTE: Final = "affectline-note"
"""Response header with the page's note on a snapshot."""
REPORT_POLICY: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:"
)
"""Reports are untrusted: they get no origin, no cookies and no network."""


def add_routes(app: FastAPI, state: AppState) -> None:
    """Serve snapshots, reports and tables."""
    add_snapshots(app, state)
    add_reports(app, state)
    add_tables(app, state)


def add_snapshots(app: FastAPI, state: AppState) -> None:
    """Serve snapshots of the frames that a page shows."""

    @app.get("/snapshot")
    async def snapshot(
        request: Request,
        feed: str,
        viewer: str,
        frame: Annotated[list[str], Query(max_length=FRAMES_MAX)],
    ) -> Response:
        if problem := refuse_viewer(request, "save pictures"):
            return problem
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
            return PlainTextResponse("This frame is no longer on the page.", 404)
        has_pictures = state.may_save_pictures(feed)
        streams = sorted({result.stream for result in results})
        state.audit.add(
            visitor_of(request.scope), "snapshot saved",
            feed=feed, streams=streams, pictures=has_pictures,
        )  # fmt: skip
        return Response(
            pack_snapshot(results, with_pictures=has_pictures),
            media_type="application/zip",
            headers={
                "content-disposition": "attachment",  # the page sets the file name
                "cache-control": "no-store",
                NOTE: "" if has_pictures else "numbers only, because of the recording's privacy",
            },
        )


def add_tables(app: FastAPI, state: AppState) -> None:
    """Serve a session's tables, in one file."""

    @app.get("/tables/{name}")
    async def tables(request: Request, name: str) -> Response:
        if problem := refuse_viewer(request, "export sessions"):
            return problem
        try:
            folder = state.sessions.find(name)
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        try:
            packed = await asyncio.to_thread(pack_tables, folder)
        except OSError as error:
            return zip_download.explain(error)
        if packed is None:
            return PlainTextResponse(f"{name} has no tables.", 404)
        state.audit.add(visitor_of(request.scope), "session exported", session=hash_name(name))
        return zip_download.send(packed, name)


def add_reports(app: FastAPI, state: AppState) -> None:
    """Serve a session's report, which is generated if there is none, or the session has changed."""

    @app.get("/report/{name}")
    async def report(request: Request, name: str) -> Response:
        visitor = visitor_of(request.scope)
        try:
            path = state.sessions.find(name) / REPORT
            is_current = path.is_symlink() or state.sessions.has_current_report(name)
            if visitor.may_operate and not is_current:
                await make_report(DashboardActions(state, visitor), state, name)
        except AffectlineError as error:
            return PlainTextResponse(str(error), 404)
        if path.is_symlink() or not path.is_file():
            problem = state.sessions.report_problem(name)
            return PlainTextResponse(problem or f"There is no report for {name}.", 404)
        state.audit.add(visitor, "report opened", session=hash_name(name))
        headers = {"content-security-policy": REPORT_POLICY, "cache-control": "no-store"}
        return FileResponse(path, media_type="text/html", headers=headers)


def add_curves(app: FastAPI, state: AppState) -> None:
    """Serve the curves of sessions, whole or in part."""

    @app.get("/replay/{name}/curves")
    async def curves(
        request: Request,
        name: str,
        begin: Annotated[float | None, Query(ge=0, le=SECONDS_MAX)] = None,
        end: Annotated[float | None, Query(ge=0, le=SECONDS_MAX)] = None,
    ) -> Response:
        if problem := refuse_viewer(request, REPLAY):
            return problem
        span = None if begin is None or end is None else (begin, end)
        if span and not 0 < span[1] - span[0] <= SPAN_MAX_S:
            return PlainTextResponse(f"At most {SPAN_MAX_S:.0f} s of a session at a time.", 400)
        try:
            reading = await state.curves.read(name, span)
        except (AffectlineError, OSError) as error:
            return PlainTextResponse(state.sessions.explain(name, error), 404)
        content = await run_in_threadpool(reading.to_json)
        headers = {"cache-control": "no-store"}
        return Response(content, media_type="application/json", headers=headers)


async def make_report(actions: DashboardActions, state: AppState, name: str) -> None:
    """Generate a session's report, and wait for it.

    Raises:
        AffectlineError: The visitor may not, or the session does not exist.
    """
    actions.generate_report(name)
    while state.sessions.report_state(name) == "generating":
        await asyncio.sleep(LOOK_S)


def parse_identity(text: str) -> tuple[str, int, int] | None:
    """A frame's identity from ``stream:epoch:seq``; None if malformed."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 20 for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def pack_tables(folder: Path) -> IO[bytes] | None:
    """An unnamed ZIP file with a session's tables and its ``session.json``; None without any."""
    files = [one for one in sorted(folder.iterdir()) if one.is_file() and not one.is_symlink()]
    tables = [one for one in files if one.suffix == ".csv" or one.name == "session.json"]
    if not tables:
        return None
    named = [(one, f"{folder.name}/{one.name}") for one in tables]
    return zip_download.pack(named, near=folder.parent)


def pack_snapshot(results: list[FrameResult], *, with_pictures: bool = True) -> bytes:
    """A ZIP file with each frame's results as JSON and, if wanted, its image as analysed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # JPEG files do not shrink
        for result in results:
            stem = f"{result.stream}-{result.emotion.seq:06d}"
            jpeg = result.jpeg() if with_pictures else b""
            if jpeg:
                archive.writestr(f"{stem}.jpg", jpeg)
            archive.writestr(f"{stem}.json", json.dumps(describe(result.emotion), indent=2))
    return file.getvalue()
