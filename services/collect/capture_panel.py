"""Captures samples: guided through the seven emotions, or with a label chosen first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.plural import counted
from affectline.services.collect.actions import BoothActions
from affectline.services.collect.collector import Collector, parse_frame_ref
from affectline.services.collect.prompts import EXAMPLES, ORDER
from affectline.services.collect.quality_checks import SIZE_MIN, Rejection
from affectline.services.collect.samples import Sample
from affectline.services.web import components

COUNTDOWN_S: Final = 3
MODES: Final = {"guided": "Guided", "free": "Free"}


class Viewfinder(Element, component=Path(__file__).parent / "static" / "viewfinder.js"):
    """The camera's video; emits ``capture`` to store the frame on the screen."""

    def __init__(self, *, may_capture: bool = True) -> None:
        super().__init__()
        self._props.update(active=False, armed=may_capture, mirrored=True, smallest=SIZE_MIN)
        self.set_countdown(COUNTDOWN_S)

    def set_countdown(self, seconds: int) -> None:
        """Set how long key K waits before it captures; 0: no wait."""
        self._props["countdown"] = seconds
        self.update()

    def set_active(self, is_active: bool) -> None:
        """Show the camera's video, or nothing."""
        self._props["active"] = is_active
        self.update()


class CapturePanel:
    """The part of the page where samples are captured.

    Args:
        collector: Stores the samples.
        actions: Actions of the visitor.
        end: Called when a person has finished.
    """

    def __init__(
        self, collector: Collector, actions: BoothActions, end: Callable[[], None]
    ) -> None:
        self._collector, self._actions = collector, actions
        self._person, self._step = "", 0
        with (
            ui.element("div").classes("af-wide") as self._root,
            components.card("Capture"),
            ui.element("div").classes("co-session"),
        ):
            self._viewfinder = Viewfinder()
            self._viewfinder.on("capture", self._capture)
            with ui.element("div").classes("co-side"):
                self._add_side(end)

    def _add_side(self, end: Callable[[], None]) -> None:
        self._mode = ui.toggle(MODES, value="guided", on_change=self._draw).props("no-caps")
        self._mode.props('aria-label="Guided or free"')
        with ui.element("div") as self._guide:
            self._progress = ui.label().classes("co-count-of")
            with ui.element("h2"):
                self._title = ui.label()
            self._example = ui.label().classes("co-example")
            with ui.element("div").classes("co-row"):
                self._back = ui.button("Back", on_click=lambda: self._change_step(-1))
                self._next = ui.button("Next emotion", on_click=lambda: self._change_step(1))
                for button in (self._back, self._next):
                    button.props("outline no-caps")
        with ui.element("div").classes("co-labels") as self._free:
            ui.label("Which emotion do you show?")
            self._label = ui.radio(list(LABELS), value=ORDER[0], on_change=self._draw)
            self._label.props('inline aria-label="Which emotion do you show?"')
        ui.button("Capture (K)", icon="photo_camera").props("no-caps size=lg").on(
            "click", js_handler="() => document.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'k'}))",
        )  # fmt: skip
        self._result = ui.element("div").classes("co-result").props('role="status"')
        self._counts = ui.label().classes("co-count-of")
        ui.button("Finish", on_click=end).props("outline no-caps")

    def begin(self, person: str) -> None:
        """Start with a person."""
        self._person, self._step = person, 0
        self._result.clear()

    def show(self, *, is_shown: bool) -> None:
        """Show this part, or hide it and stop the video."""
        self._root.set_visibility(is_shown)
        self._viewfinder.set_active(is_shown)
        if is_shown:
            self._draw()

    @property
    def label(self) -> str:
        """The emotion that the person should show."""
        return ORDER[self._step] if self._mode.value == "guided" else str(self._label.value)

    def _change_step(self, by: int) -> None:
        self._step = min(max(0, self._step + by), len(ORDER) - 1)
        self._result.clear()
        self._draw()

    def _draw(self) -> None:
        is_guided = self._mode.value == "guided"
        self._guide.set_visibility(is_guided)
        self._free.set_visibility(not is_guided)
        self._viewfinder.set_countdown(COUNTDOWN_S if is_guided else 0)
        self._progress.set_text(f"{self._step + 1} of {len(ORDER)}")
        self._title.set_text(ORDER[self._step])
        self._example.set_text(EXAMPLES[ORDER[self._step]])
        self._back.set_enabled(self._step > 0)
        self._next.set_enabled(self._step < len(ORDER) - 1)
        collection = self._collector.collection
        samples = [sample for sample in collection.samples if sample.person == self._person]
        count = sum(sample.label == self.label for sample in samples)
        self._counts.set_text(f"{self.label}: {counted(count, 'capture')}, {len(samples)} in total")

    async def _capture(self, event: Any) -> None:
        if not self._person:
            return
        label = self.label
        try:
            result = await self._actions.capture(parse_frame_ref(event.args), self._person, label)
        except AffectlineError as error:
            self._show_problem(str(error))
        else:
            if isinstance(result, Rejection):
                self._show_problem(result.reason)
            else:
                self._show_sample(result)
        self._viewfinder.run_method("unfreeze")
        self._draw()

    def _show_problem(self, problem: str) -> None:
        self._result.clear()
        with self._result:
            ui.label(f"Rejected. {problem[0].upper()}{problem[1:]}.").classes("co-rejected")

    def _show_sample(self, sample: Sample) -> None:
        self._result.clear()
        with self._result:
            ui.element("img").props(f'src="{picture_url(sample.file)}" alt="The last capture"')
            ui.label(f"Captured: {sample.label}, {describe(sample)}.")


def picture_url(file: str) -> str:
    """URL of a sample's image on the server."""
    return f"/take/{file.removeprefix('people/')}"


def describe(sample: Sample) -> str:
    """Figures on the quality of a sample."""
    return f"{sample.size} pixels, sharpness {sample.blur:.0f}, brightness {sample.brightness:.2f}"
