"""Steering a replay: pause, seek, rate, and back to the live pictures."""

from collections.abc import Callable
from typing import Any, Final

from nicegui import ui

from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.replay_control import RATES

STEP_S: Final = 0.5
"""What an arrow key moves."""


class ReplayBar:
    """The row that a replaying page has above its pictures.

    Args:
        house: What is replayed.
        listen_to: Has the page show a feed.
    """

    def __init__(self, house: AppState, listen_to: Callable[[str], None]) -> None:
        self._house, self._listen_to = house, listen_to
        self._is_held = False
        with ui.element("section").classes("af-card af-wide af-replay") as self._bar:
            self._bar.props('aria-label="Replay"')
            self._pause = ui.button("Pause (P)", icon="pause", on_click=house.pause)
            self._pause.props("outline no-caps")
            # The browser's own: its keys are Home, End, arrows and pages
            self._slider = ui.element("input").props(f"type=range min=0 max=1 step={STEP_S}")
            self._slider.props('aria-label="Position in the recording, seconds"')
            self._slider.on("input", self._hold, js_handler="() => emit()")
            self._slider.on("change", self._seek, js_handler="(event) => emit(event.target.value)")
            self._clock = ui.label().props('role="status"')
            rates = {rate: f"{rate:g} times" for rate in RATES}
            self._rate = ui.select(rates, value=1.0, label="Rate").props("dense outlined")
            self._rate.on_value_change(self._change_rate)
            ui.button("Back to live", icon="videocam", on_click=self._leave).props("no-caps")
            self._problem = ui.label().classes("af-recording").props('role="alert"')
        self._bar.set_visibility(False)

    def refresh(self, *, shown: bool) -> None:
        """Show where the replay is."""
        playback = self._house.playback
        self._bar.set_visibility(shown and playback is not None)
        if playback is None or not shown:
            return
        progress, position = playback.progress, self._house.position()
        if not self._is_held:
            place = {"max": round(playback.seconds, 1), "value": round(position, 1)}
            if place.items() - self._slider.props.items():
                self._slider.props.update(place)
                self._slider.update()
        goes_on = progress.is_paused or progress.has_ended
        self._pause.set_text(
            "Again (P)" if progress.has_ended else "Go on (P)" if goes_on else "Pause (P)"
        )
        self._pause.set_icon("play_arrow" if goes_on else "pause")
        self._clock.set_text(f"{clock(position)} of {clock(playback.seconds)}")
        self._rate.value = progress.rate
        self._problem.set_text(playback.problem)

    def _hold(self) -> None:
        """While the slider is being moved it does not follow the replay."""
        self._is_held = True

    async def _seek(self, event: Any) -> None:
        self._is_held = False
        await self._house.seek(float(event.args))

    async def _change_rate(self, event: Any) -> None:
        playback = self._house.playback
        if playback and event.value != playback.progress.rate:
            await self._house.seek(self._house.position(), event.value)

    async def _leave(self) -> None:
        """Back to the live pictures; a replay that nobody else watches ends."""
        replay = self._house.replay
        self._listen_to("live")
        if replay and len(replay.audience.viewers) <= 1:
            await self._house.close_replay()


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"
