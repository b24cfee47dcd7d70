"""The page to watch: pictures, curves, processes, recording, sessions and their replay."""

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI
from nicegui import ui

from affectline.common.errors import AffectlineError
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.panels.recording import RecordingDialog
from affectline.services.dashboard.panels.replay import ReplayBar
from affectline.services.dashboard.routes import add_routes
from affectline.services.dashboard.panels.sessions import SessionsList
from affectline.services.web import components as theme

REFRESH_S: Final = 0.5


def add_to(house: AppState) -> Callable[[FastAPI], None]:
    """What has a server show it at ``/``, with its snapshots and reports."""

    def add(app: FastAPI) -> None:
        add_routes(app, house)

        @ui.page("/", title="Affectline")
        def watch() -> None:
            LivePage(house)

    return add


class LivePage:
    """The page, for one viewer.

    Args:
        house: What it is about.
    """

    def __init__(self, house: AppState) -> None:
        self._house = house
        self._feed = "live"
        with theme.top("live") as self._where:
            self._add_tools()
        with ui.element("main").classes("af-main"):
            self._replay_bar = ReplayBar(house, self._listen_to)
            with theme.card("Pictures", "af-wide af-pictures"):
                self._live = theme.VideoView(self._feed, house.settings.hub.outlet)
                self._live.on("mark", self._mark)
                self._live.on("pause", self._pause)
            with theme.card("Over time", "af-wide"):
                theme.CurvesChart()
            with theme.card("Sessions"):
                self._sessions = SessionsList(house, self._listen_to)
            with theme.card("Health"):
                theme.ProcessTable()
        ui.timer(REFRESH_S, self._refresh)

    def _add_tools(self) -> None:
        ui.button("Snapshot (K)", icon="photo_camera").props("outline no-caps").on(
            "click", js_handler="() => document.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'k'}))",
        )  # fmt: skip
        self._label = ui.input(label="Marker").props("dense outlined maxlength=1000")
        self._label.props('aria-label="Label of the next marker"').on("keydown.enter", self._mark)
        self._marker = ui.button("Mark (M)", icon="flag", on_click=self._mark)
        self._marker.props("outline no-caps")
        self._recording = RecordingDialog(self._house)

    def _mark(self) -> None:
        if self._feed != "live":
            ui.notify("A recording takes no markers: go back to the live pictures.", type="info")
            return
        try:
            self._house.mark(self._label.value or "")
        except AffectlineError as error:
            theme.complain(error)
        else:
            ui.notify("Marker set.", type="positive", timeout=1500)

    async def _pause(self) -> None:
        if self._feed == "replay":
            await self._house.pause()

    def _listen_to(self, feed: str) -> None:
        self._feed = feed
        self._live.listen_to(feed)
        self._refresh()

    def _refresh(self) -> None:
        playback = self._house.playback
        if self._feed == "replay" and playback is None:
            self._listen_to("live")
            return
        where = f"replay of {playback.name}" if self._feed == "replay" and playback else "live"
        self._where.set_text(where)
        self._replay_bar.refresh(shown=self._feed == "replay")
        self._recording.refresh()
        self._sessions.refresh()
