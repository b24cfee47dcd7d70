"""What becomes of the takes: export them, or delete a person as a whole."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.services.collect import layout as files
from affectline.services.collect.collector import Collector
from affectline.services.collect.exporting import Form, export
from affectline.services.web import components as theme

FORMS: Final[dict[Form, str]] = {
    "folder": "A folder for affectline-train, faces at their own size",
    "fer2013": "A CSV file like FER2013's, faces at 48x48",
}


class ExportPanel:
    """The part of the page for exports and deletion.

    Args:
        booth: Whose takes.
        gone: Called with the name of who was deleted.
    """

    def __init__(self, booth: Collector, gone: Callable[[str], None]) -> None:
        self._collection, self._gone = booth.collection, gone
        self._doomed = ""
        with ui.element("div").classes("af-wide bo-parts") as self._whole:
            with theme.card("Takes"):
                self._table = ui.element("div").classes("af-scroll")
            with theme.card("Export"):
                self._form = ui.radio(dict(FORMS), value="folder").props('aria-label="As what"')
                self._only_kept = ui.checkbox("Only takes that were kept on the review wall")
                with ui.row():
                    ui.button("Export", on_click=self._export).props("no-caps")
                self._made = ui.element("div").props('role="status"')
            with theme.card("People"):
                ui.label(
                    "Deleting a person removes all pictures, the consent, the name, and every "
                    "export that holds one of the pictures. Copies elsewhere are not reached."
                )
                self._people = ui.element("div").classes("bo-people").props('role="list"')
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
        self._whole.set_visibility(is_shown)
        if is_shown:
            self._draw()

    def _draw(self) -> None:
        takes = self._collection.takes
        counts = Counter((take.person, take.label) for take in takes)
        people = sorted({take.person for take in takes})
        self._table.clear()
        with self._table, ui.element("table"):
            row("person", *LABELS, "all", head=True)
            for person in people:
                numbers = [counts[person, label] for label in LABELS]
                row(person, *numbers, sum(numbers))
        self._people.clear()
        try:
            consents = self._collection.people()
        except AffectlineError as error:
            theme.complain(error)
            return
        with self._people:
            if not consents:
                ui.label("Nobody has agreed yet.")
            for consent in consents:
                self._add_person(consent.person, consent.agreed[-1].time)

    def _add_person(self, person: str, time: str) -> None:
        count = sum(take.person == person for take in self._collection.takes)
        line = ui.element("div").classes("bo-person")
        with line.props(f'role="listitem" data-person="{person}"'):
            ui.label(person).classes("bo-name")
            ui.label(f"{count} takes; agreed on {time[:10]}").classes("bo-about")
            button = ui.button("Delete", on_click=partial(self._ask, person))
            button.props(f'flat dense no-caps aria-label="Delete everything about {person}"')

    async def _export(self) -> None:
        form: Form = "fer2013" if self._form.value == "fer2013" else "folder"
        try:
            made = await run.io_bound(
                export, self._collection, form, only_kept=bool(self._only_kept.value)
            )
        except AffectlineError as error:
            theme.complain(error)
            return
        if made is None:  # the server is stopping
            return
        self._made.clear()
        with self._made:
            ui.label(f"{made.takes} takes, divided {made.division}.")
            ui.label(f"In {from_here(made.place)}")
            ui.link("Download", f"/export/{made.place.name}.zip").props("download")

    def _ask(self, person: str) -> None:
        self._doomed = person
        count = sum(take.person == person for take in self._collection.takes)
        exports = len(list(files.exports_with(self._collection.folder, person)))
        self._question.set_text(
            f"Delete everything about {person}: {count} takes, the consent, and {exports} exports?"
        )
        self._dialog.open()

    async def _delete(self) -> None:
        self._dialog.close()
        try:
            await run.io_bound(self._collection.delete_person, self._doomed)
        except AffectlineError as error:
            theme.complain(error)
            return
        self._made.clear()
        ui.notify("Everything about this person is deleted.", type="positive")
        self._gone(self._doomed)


def from_here(place: Path) -> Path:
    """A path as one would type it where the booth was started."""
    here = Path.cwd()
    return place.relative_to(here) if place.is_relative_to(here) else place


def row(*cells: object, head: bool = False) -> None:
    """A row of a table, as text."""
    with ui.element("tr"):
        for number, cell in enumerate(cells):
            with ui.element("th" if head or not number else "td").classes("num" if number else ""):
                ui.label(str(cell))
