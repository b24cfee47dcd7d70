"""The review wall: keep, relabel or delete each take."""

from functools import partial
from typing import Any, Final

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.services.collect.capture_panel import describe, picture_url
from affectline.services.collect.collector import Collector
from affectline.services.collect.samples import Sample
from affectline.services.web import components as theme

PAGE: Final = 48
EVERYBODY: Final = "everybody"
SHOWN: Final = {"all": "all takes", "new": "not looked at yet", "kept": "kept"}


class ReviewPanel:
    """The wall.

    Args:
        booth: Whose takes hang there.
    """

    def __init__(self, booth: Collector) -> None:
        self._collection = booth.collection
        self._doomed: Sample | None = None
        self._is_drawing = False
        with ui.element("div").classes("af-wide") as self._whole, theme.card("Review"):
            with ui.element("div").classes("bo-filters"):
                self._person = ui.select([EVERYBODY], value=EVERYBODY, label="Whose")
                self._state = ui.select(SHOWN, value="all", label="Which")
                self._label = ui.select(["all", *LABELS], value="all", label="Emotion")
                for choice in (self._person, self._state, self._label):
                    choice.props("outlined dense").on_value_change(self._from_the_start)
                ui.button("Keep all of these", on_click=self._keep_all).props("outline no-caps")
            self._count = ui.label().props('role="status"')
            self._wall = ui.element("div").classes("bo-wall")
            with ui.row():
                self._earlier = ui.button("Earlier page", on_click=lambda: self._turn(-1))
                self._later = ui.button("Later page", on_click=lambda: self._turn(1))
        for button in (self._earlier, self._later):
            button.props("outline no-caps")
        self._add_dialog()
        self._at = 0

    def _add_dialog(self) -> None:
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._dialog.props('aria-label="Delete a take"')
            self._question = ui.label()
            with ui.row():
                ui.button("Delete it", on_click=self._delete).props("no-caps color=negative")
                ui.button("Keep it", on_click=self._dialog.close).props("flat no-caps autofocus")

    def show(self, *, is_shown: bool) -> None:
        """Show this part, or hide it."""
        self._whole.set_visibility(is_shown)
        if is_shown:
            self._draw()

    def _from_the_start(self) -> None:
        self._at = 0
        if not self._is_drawing:
            self._draw()

    def _turn(self, by: int) -> None:
        self._at += by * PAGE
        self._draw()

    def _chosen(self) -> list[Sample]:
        """The takes that the filters let through, the newest first."""
        return [
            take
            for take in reversed(self._collection.takes)
            if self._person.value in (EVERYBODY, take.person)
            and self._state.value in ("all", take.status)
            and self._label.value in ("all", take.label)
        ]

    def _draw(self) -> None:
        self._is_drawing = True
        people = sorted({take.person for take in self._collection.takes})
        chosen = self._person.value if self._person.value in people else EVERYBODY
        self._person.set_options([EVERYBODY, *people], value=chosen)
        self._is_drawing = False
        takes = self._chosen()
        self._at = min(max(0, self._at), max(0, len(takes) - 1) // PAGE * PAGE)
        shown = takes[self._at : self._at + PAGE]
        refused = sum(row.status == "refused" for row in self._collection.left_out)
        self._count.set_text(f"{len(takes)} takes; {refused} were refused and are not here")
        self._wall.clear()
        with self._wall:
            for take in shown:
                self._hang(take)
        self._earlier.set_visibility(self._at > 0)
        self._later.set_visibility(self._at + PAGE < len(takes))

    def _hang(self, take: Sample) -> None:
        frame = ui.element("figure").classes(f"bo-take {take.status}")
        with frame.props(f'data-take="{take.id}" data-status="{take.status}"'):
            when = f"{take.time[:19].replace('T', ' ')} UTC"
            what = f"{take.label} of {take.person}, {when}"
            image = ui.element("img").props('loading="lazy"')
            image.props(f'src="{picture_url(take.file)}" alt="{what}"')
            ui.label(f"{take.person}, {when}").classes("bo-about")
            ui.label(describe(take)).classes("bo-about")
            label = ui.select(list(LABELS), value=take.label, label="Emotion")
            label.props(f'outlined dense aria-label="Emotion: {what}"')
            label.on_value_change(partial(self._relabel, take))
            with ui.element("div").classes("bo-row"):
                keep = ui.button("Keep", on_click=partial(self._keep, take))
                keep.props(f'dense no-caps outline aria-label="Keep: {what}"')
                if take.status == "kept":
                    keep.set_text("Kept")
                    keep.disable()
                delete = ui.button("Delete", on_click=partial(self._ask, take))
                delete.props(f'dense no-caps flat aria-label="Delete: {what}"')

    async def _keep(self, take: Sample) -> None:
        await self._do(self._collection.keep, take.file)

    async def _keep_all(self) -> None:
        shown = self._chosen()[self._at : self._at + PAGE]
        await self._do(self._collection.keep, *(take.file for take in shown))

    async def _relabel(self, take: Sample, event: Any) -> None:
        await self._do(self._collection.relabel, take.file, event.value)

    def _ask(self, take: Sample) -> None:
        self._doomed = take
        self._question.set_text(
            f"Delete this take of {take.person} ({take.label})? Its pictures are removed."
        )
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        if self._doomed:
            await self._do(self._collection.delete, self._doomed.file)

    async def _do(self, act: Any, *arguments: str) -> None:
        try:
            await run.io_bound(act, *arguments)
        except AffectlineError as error:
            theme.complain(error)
        self._draw()
