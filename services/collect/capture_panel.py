"""Taking pictures: led through the seven emotions, or freely with the label chosen first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.services.collect.collector import Collector, read_moment
from affectline.services.collect.prompts import EXAMPLES, ORDER
from affectline.services.collect.quality_checks import SMALLEST, Rejection
from affectline.services.collect.samples import Sample
from affectline.services.web import components as theme

COUNTDOWN: Final = 3
MODES: Final = {"led": "Led through the seven", "free": "Freely"}


class Viewfinder(Element, component=Path(__file__).parent / "static" / "viewfinder.js"):
    """The camera's picture; says ``shot`` when the picture on the screen is to be kept."""

    def __init__(self) -> None:
        super().__init__()
        self._props.update(active=False, armed=True, mirrored=True, smallest=SMALLEST)
        self.count_down_from(COUNTDOWN)

    def count_down_from(self, seconds: int) -> None:
        """How long K waits; 0: it does not."""
        self._props["countdown"] = seconds
        self.update()

    def set_active(self, is_active: bool) -> None:
        """Look, or do not."""
        self._props["active"] = is_active
        self.update()


class CapturePanel:
    """The part of the page where pictures are taken.

    Args:
        booth: Where they go.
        end: Called when the next person comes.
    """

    def __init__(self, booth: Collector, end: Callable[[], None]) -> None:
        self._booth = booth
        self._person, self._step = "", 0
        with (
            ui.element("div").classes("af-wide") as self._whole,
            theme.card("Pictures"),
            ui.element("div").classes("bo-session"),
        ):
            self._finder = Viewfinder()
            self._finder.on("shot", self._shoot)
            with ui.element("div").classes("bo-side"):
                self._add_side(end)

    def _add_side(self, end: Callable[[], None]) -> None:
        self._mode = ui.toggle(MODES, value="led", on_change=self._draw).props("no-caps")
        self._mode.props('aria-label="How to take pictures"')
        with ui.element("div") as self._led:
            self._progress = ui.label().classes("bo-count-of")
            with ui.element("h2"):
                self._title = ui.label()
            self._example = ui.label().classes("bo-example")
            with ui.element("div").classes("bo-row"):
                self._back = ui.button("Back", on_click=lambda: self._go(-1))
                self._next = ui.button("Next emotion", on_click=lambda: self._go(1))
                for button in (self._back, self._next):
                    button.props("outline no-caps")
        with ui.element("div").classes("bo-labels") as self._free:
            ui.label("Which emotion do you show?")
            self._label = ui.radio(list(LABELS), value=ORDER[0], on_change=self._draw)
            self._label.props('inline aria-label="Which emotion do you show?"')
        ui.button("Take (K)", icon="photo_camera").props("no-caps size=lg").on(
            "click", js_handler="() => document.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'k'}))",
        )  # fmt: skip
        self._result = ui.element("div").classes("bo-result").props('role="status"')
        self._counts = ui.label().classes("bo-count-of")
        ui.button("I am done", on_click=end).props("outline no-caps")

    def begin(self, person: str) -> None:
        """Somebody comes."""
        self._person, self._step = person, 0
        self._result.clear()

    def show(self, *, is_shown: bool) -> None:
        """Show this part, or hide it and look at no pictures."""
        self._whole.set_visibility(is_shown)
        self._finder.set_active(is_shown)
        if is_shown:
            self._draw()

    @property
    def label(self) -> str:
        """What is being shown."""
        return ORDER[self._step] if self._mode.value == "led" else str(self._label.value)

    def _go(self, by: int) -> None:
        self._step = min(max(0, self._step + by), len(ORDER) - 1)
        self._result.clear()
        self._draw()

    def _draw(self) -> None:
        led = self._mode.value == "led"
        self._led.set_visibility(led)
        self._free.set_visibility(not led)
        self._finder.count_down_from(COUNTDOWN if led else 0)
        self._progress.set_text(f"{self._step + 1} of {len(ORDER)}")
        self._title.set_text(ORDER[self._step])
        self._example.set_text(EXAMPLES[ORDER[self._step]])
        self._back.set_enabled(self._step > 0)
        self._next.set_enabled(self._step < len(ORDER) - 1)
        takes = [take for take in self._booth.collection.takes if take.person == self._person]
        here = sum(take.label == self.label for take in takes)
        self._counts.set_text(f"{self.label}: {here} taken, {len(takes)} in all")

    async def _shoot(self, event: Any) -> None:
        if not self._person:
            return
        label = self.label
        try:
            found = await self._booth.take(read_moment(event.args), self._person, label)
        except AffectlineError as error:
            self._tell_problem(str(error))
        else:
            if isinstance(found, Rejection):
                self._tell_problem(found.reason)
            else:
                self._tell_taken(found)
        self._finder.run_method("thaw")
        self._draw()

    def _tell_problem(self, problem: str) -> None:
        self._result.clear()
        with self._result:
            ui.label(f"Not taken. {problem[0].upper()}{problem[1:]}.").classes("bo-refused")

    def _tell_taken(self, take: Sample) -> None:
        self._result.clear()
        with self._result:
            ui.element("img").props(f'src="{picture_url(take.file)}" alt="The face taken just now"')
            ui.label(f"Taken: {take.label}, {describe(take)}.")


def picture_url(file: str) -> str:
    """Where the server gives a take's picture."""
    return f"/take/{file.removeprefix('people/')}"


def describe(take: Sample) -> str:
    """How good a take is, in figures."""
    return f"{take.size} pixels, sharpness {take.blur:.0f}, brightness {take.brightness:.2f}"
