"""The controls of a replay: pause, position, rate, and back to the live feed."""

from typing import Any, Final

from nicegui import ui

from affectline.services.dashboard.panel import Panel, register
from affectline.services.dashboard.replay_control import RATES
from affectline.services.web import components
from affectline.services.web.components import format_duration

STEP_S: Final = 0.5
"""How far an arrow key moves the position."""


@register
class ReplayPanel(Panel):
    """The row above the pictures of a replay."""

    order = 10

    def build(self) -> None:
        self._is_dragged = False
        with ui.element("section").classes("af-card af-wide af-replay") as self._bar:
            self._bar.props('aria-label="Replay"')
            self._pause = ui.button("Pause (P)", icon="pause", on_click=self._toggle_pause)
            self._pause.props("outline no-caps")
            # The browser's own: its keys are Home, End, arrows and pages
            self._slider = ui.element("input").props(f"type=range min=0 max=1 step={STEP_S}")
            self._slider.props('aria-label="Position in the recording, seconds"')
            self._slider.on("input", self._drag, js_handler="() => emit()")
            self._slider.on("change", self._seek, js_handler="(event) => emit(event.target.value)")
            self._clock = ui.label().props('role="status"')
            rates = {rate: f"{rate:g} times" for rate in RATES}
            self._rate = ui.select(rates, value=1.0, label="Rate").props("dense outlined")
            self._rate.on_value_change(self._change_rate)
            ui.button("Back to live", icon="videocam", on_click=self._close).props("no-caps")
            self._problem = ui.label().classes("af-recording").props('role="alert"')
        self._bar.set_visibility(False)
        components.KeyBindings({"p": self._toggle_pause})
        self.view.on_refresh(self._refresh)

    def _refresh(self) -> None:
        state = self.view.state
        replay = state.replay if self.view.feed == "replay" else None
        self._bar.set_visibility(replay is not None)
        if replay is None:
            return
        progress, position = replay.progress, state.position()
        if not self._is_dragged:
            place = {"max": round(replay.seconds, 1), "value": round(position, 1)}
            if place.items() - self._slider.props.items():
                self._slider.props.update(place)
                self._slider.update()
        is_stopped = progress.is_paused or progress.has_ended
        self._pause.set_text(
            "Restart (P)" if progress.has_ended else "Resume (P)" if is_stopped else "Pause (P)"
        )
        self._pause.set_icon("play_arrow" if is_stopped else "pause")
        self._clock.set_text(f"{format_duration(position)} of {format_duration(replay.seconds)}")
        self._rate.value = progress.rate
        self._problem.set_text(replay.problem)

    async def _toggle_pause(self) -> None:
        if self.view.feed == "replay":
            await self.view.state.toggle_pause()

    def _drag(self) -> None:
        """While the slider is being moved it does not follow the replay."""
        self._is_dragged = True

    async def _seek(self, event: Any) -> None:
        self._is_dragged = False
        await self.view.state.seek(float(event.args))

    async def _change_rate(self, event: Any) -> None:
        replay = self.view.state.replay
        if replay and event.value != replay.progress.rate:
            await self.view.state.seek(self.view.state.position(), event.value)

    async def _close(self) -> None:
        """Back to the live feed; a replay that no other page shows is closed."""
        hub = self.view.state.replay_hub
        self.view.show_feed("live")
        if hub and len(hub.broadcaster.clients) <= 1:
            await self.view.state.close_replay()
