"""Exports samples, and deletes everything about a person."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.plural import counted
from affectline.services.collect import layout
from affectline.services.collect.actions import BoothActions
from affectline.services.collect.collection import Person
from affectline.services.collect.collector import Collector
from affectline.services.collect.exporting import ExportFormat
from affectline.services.web import components

FORMATS: Final[dict[ExportFormat, str]] = {
    "folder": "A folder for affectline-train, faces at their own size",
    "fer2013": "A CSV file like FER2013's, faces at 48x48",
}


class ExportPanel:
    """The part of the page for exports and deletion.

    Args:
        collector: Stores the samples.
        actions: Actions of the visitor.
        on_person_deleted: Called with the name of a deleted person.
    """

    def __init__(
        self,
        collector: Collector,
        actions: BoothActions,
        on_person_deleted: Callable[[str], None],
    ) -> None:
        self._collection, self._actions = collector.collection, actions
        self._on_person_deleted = on_person_deleted
        self._to_delete = ""
        with ui.element("div").classes("af-wide co-parts") as self._root:
            with components.card("Samples"):
                self._table = ui.element("div").classes("af-scroll")
            with components.card("Export"):
                self._format = ui.radio(dict(FORMATS), value="folder").props('aria-label="Format"')
                self._only_kept = ui.checkbox("Only samples that were kept in the review")
                with ui.row():
                    ui.button("Export", on_click=self._export).props("no-caps")
                self._exported = ui.element("div").props('role="status"')
            with components.card("People"):
                ui.label(
                    "Deleting a person removes all pictures, the consent, the name, and every "
                    "export that contains one of the pictures. Copies elsewhere are not deleted."
                )
                self._people = ui.element("div").classes("co-people").props('role="list"')
        self._add_dialog()

    def _add_dialog(self) -> None:
        with ui.dialog() as self._dialog, ui.card().classes("af-dialog"):
            self._dialog.props('aria-label="Delete a person"')
            self._question = ui.label()
            with ui.row():
                ui.button("Delete everything", on_click=self._delete).props(
                    "no-caps color=negative"
                )
                ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps autofocus")

    def show(self, *, is_shown: bool) -> None:
        """Show this part, or hide it."""
        self._root.set_visibility(is_shown)
        if is_shown:
            self._draw()

    def _draw(self) -> None:
        samples = self._collection.samples
        counts = Counter((sample.person, sample.label) for sample in samples)
        people = sorted({sample.person for sample in samples})
        self._table.clear()
        with self._table, ui.element("table"):
            add_row("person", *LABELS, "all", head=True)
            for person in people:
                numbers = [counts[person, label] for label in LABELS]
                add_row(person, *numbers, sum(numbers))
        self._people.clear()
        known = self._collection.people()
        with self._people:
            if not known:
                ui.label("Nobody has given consent yet.")
            for someone in known:
                self._add_person(someone)

    def _add_person(self, someone: Person) -> None:
        person = someone.name
        count = sum(sample.person == person for sample in self._collection.samples)
        agreed = f"agreed on {someone.agreed_at[:10]}" if someone.agreed_at else "no consent"
        line = ui.element("div").classes("co-person")
        with line.props(f'role="listitem" data-person="{person}"'):
            ui.label(person).classes("co-name")
            samples = counted(count, "sample")
            ui.label(f"{samples}; {someone.problem or agreed}").classes("co-about")
            button = ui.button("Delete", on_click=partial(self._confirm_delete, person))
            button.props(f'flat dense no-caps aria-label="Delete everything about {person}"')

    async def _export(self) -> None:
        file_format: ExportFormat = "fer2013" if self._format.value == "fer2013" else "folder"
        try:
            exported = await run.io_bound(
                self._actions.export, file_format, only_kept=bool(self._only_kept.value)
            )
        except AffectlineError as error:
            components.notify_error(error)
            return
        if exported is None:  # the server is stopping
            return
        self._exported.clear()
        with self._exported:
            samples = counted(exported.samples, "sample")
            ui.label(f"{samples}, divided {exported.division}.")
            ui.label(f"In {relative_to_cwd(exported.folder)}")
            ui.link("Download", f"/export/{exported.folder.name}.zip").props("download")

    def _confirm_delete(self, person: str) -> None:
        self._to_delete = person
        count = sum(sample.person == person for sample in self._collection.samples)
        exports = len(list(layout.exports_with(self._collection.folder, person)))
        self._question.set_text(
            f"Delete everything about {person}: {counted(count, 'sample')}, "
            f"the consent, and {counted(exports, 'export')}?"
        )
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        try:
            await run.io_bound(self._actions.delete_person, self._to_delete)
        except AffectlineError as error:
            components.notify_error(error)
            return
        self._exported.clear()
        ui.notify("Everything about this person is deleted.", type="positive")
        self._on_person_deleted(self._to_delete)


def relative_to_cwd(path: Path) -> Path:
    """A path relative to the current directory, if below it."""
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def add_row(*cells: object, head: bool = False) -> None:
    """Add a row of text cells to a table."""
    with ui.element("tr"):
        for number, cell in enumerate(cells):
            with ui.element("th" if head or not number else "td").classes("num" if number else ""):
                ui.label(str(cell))
