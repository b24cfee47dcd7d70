"""Reviews samples: keep, relabel or delete each one."""

from functools import partial
from typing import Any, Final

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.plural import counted
from affectline.services.collect.actions import BoothActions
from affectline.services.collect.capture_panel import describe, picture_url
from affectline.services.collect.collector import Collector
from affectline.services.collect.samples import Sample
from affectline.services.web import components

PAGE_SIZE: Final = 48
ALL_PEOPLE: Final = "everybody"
STATUSES: Final = {"all": "all samples", "new": "not reviewed yet", "kept": "kept"}


class ReviewPanel:
    """The part of the page where samples are reviewed.

    Args:
        collector: Stores the samples.
        actions: Actions of the visitor.
    """

    def __init__(self, collector: Collector, actions: BoothActions) -> None:
        self._collection, self._actions = collector.collection, actions
        self._to_delete: Sample | None = None
        self._is_drawing = False
        with ui.element("div").classes("af-wide") as self._root, components.card("Review"):
            with ui.element("div").classes("co-filters"):
                self._person = ui.select([ALL_PEOPLE], value=ALL_PEOPLE, label="Person")
                self._status = ui.select(STATUSES, value="all", label="Status")
                self._label = ui.select(["all", *LABELS], value="all", label="Emotion")
                for choice in (self._person, self._status, self._label):
                    choice.props("outlined dense").on_value_change(self._show_first_page)
                ui.button("Keep all of these", on_click=self._keep_all).props("outline no-caps")
            self._count = ui.label().props('role="status"')
            self._grid = ui.element("div").classes("co-samples")
            with ui.row():
                self._newer = ui.button("Newer", on_click=lambda: self._turn_page(-1))
                self._older = ui.button("Older", on_click=lambda: self._turn_page(1))
        for button in (self._newer, self._older):
            button.props("outline no-caps")
        self._add_dialog()
        self._offset = 0

    def _add_dialog(self) -> None:
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._dialog.props('aria-label="Delete a sample"')
            self._question = ui.label()
            with ui.row():
                ui.button("Delete it", on_click=self._delete).props("no-caps color=negative")
                ui.button("Keep it", on_click=self._dialog.close).props("flat no-caps autofocus")

    def show(self, *, is_shown: bool) -> None:
        """Show this part, or hide it."""
        self._root.set_visibility(is_shown)
        if is_shown:
            self._draw()

    def _show_first_page(self) -> None:
        self._offset = 0
        if not self._is_drawing:
            self._draw()

    def _turn_page(self, by: int) -> None:
        self._offset += by * PAGE_SIZE
        self._draw()

    def _filtered(self) -> list[Sample]:
        """The samples that match the filters, newest first."""
        return [
            sample
            for sample in reversed(self._collection.samples)
            if self._person.value in (ALL_PEOPLE, sample.person)
            and self._status.value in ("all", sample.status)
            and self._label.value in ("all", sample.label)
        ]

    def _draw(self) -> None:
        self._is_drawing = True
        people = sorted({sample.person for sample in self._collection.samples})
        chosen = self._person.value if self._person.value in people else ALL_PEOPLE
        self._person.set_options([ALL_PEOPLE, *people], value=chosen)
        self._is_drawing = False
        samples = self._filtered()
        self._offset = min(max(0, self._offset), max(0, len(samples) - 1) // PAGE_SIZE * PAGE_SIZE)
        shown = samples[self._offset : self._offset + PAGE_SIZE]
        rejected = sum(row.status == "refused" for row in self._collection.rejected)
        listed = counted(len(samples), "sample")
        self._count.set_text(f"{listed}; {rejected} more rejected and not listed")
        self._grid.clear()
        with self._grid:
            for sample in shown:
                self._add_sample(sample)
        self._newer.set_visibility(self._offset > 0)
        self._older.set_visibility(self._offset + PAGE_SIZE < len(samples))

    def _add_sample(self, sample: Sample) -> None:
        frame = ui.element("figure").classes(f"co-sample {sample.status}")
        with frame.props(f'data-sample="{sample.id}" data-status="{sample.status}"'):
            when = f"{sample.time[:19].replace('T', ' ')} UTC"
            what = f"{sample.label} of {sample.person}, {when}"
            image = ui.element("img").props('loading="lazy"')
            image.props(f'src="{picture_url(sample.file)}" alt="{what}"')
            ui.label(f"{sample.person}, {when}").classes("co-about")
            ui.label(describe(sample)).classes("co-about")
            label = ui.select(list(LABELS), value=sample.label, label="Emotion")
            label.props(f'outlined dense aria-label="Emotion: {what}"')
            label.on_value_change(partial(self._relabel, sample))
            with ui.element("div").classes("co-row"):
                keep = ui.button("Keep", on_click=partial(self._accept, sample))
                keep.props(f'dense no-caps outline aria-label="Keep: {what}"')
                if sample.status == "kept":
                    keep.set_text("Kept")
                    keep.props(f'aria-label="Kept: {what}"')
                    keep.disable()
                delete = ui.button("Delete", on_click=partial(self._confirm_delete, sample))
                delete.props(f'dense no-caps flat aria-label="Delete: {what}"')

    async def _accept(self, sample: Sample) -> None:
        await self._change(self._actions.accept, sample.file)

    async def _keep_all(self) -> None:
        shown = self._filtered()[self._offset : self._offset + PAGE_SIZE]
        await self._change(self._actions.accept, *(sample.file for sample in shown))

    async def _relabel(self, sample: Sample, event: Any) -> None:
        await self._change(self._actions.relabel, sample.file, event.value)

    def _confirm_delete(self, sample: Sample) -> None:
        self._to_delete = sample
        self._question.set_text(
            f"Delete this sample of {sample.person} ({sample.label})? Its pictures are removed."
        )
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        if self._to_delete:
            await self._change(self._actions.delete_sample, self._to_delete.file)

    async def _change(self, change: Any, *arguments: str) -> None:
        try:
            await run.io_bound(change, *arguments)
        except AffectlineError as error:
            components.notify_error(error)
        self._draw()
