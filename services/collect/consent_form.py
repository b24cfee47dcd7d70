"""The consent form: nobody's face is stored without consent."""

from collections.abc import Callable

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.services.collect.actions import BoothActions
from affectline.services.collect.collector import Collector
from affectline.services.collect.consent import ConsentRecord
from affectline.services.web import components


class ConsentForm:
    """The form.

    Args:
        collector: Stores the consent.
        actions: Actions of the visitor.
        begin: Called with the name of a person who has agreed.
    """

    def __init__(
        self, collector: Collector, actions: BoothActions, begin: Callable[[str], None]
    ) -> None:
        self._collector, self._actions, self._begin = collector, actions, begin
        self._asked_name = ""
        with ui.element("div").classes("af-wide") as self._root, components.card("Before we begin"):
            ui.label(collector.collection.form.text).classes("co-text")
            with ui.element("div").classes("co-form"):
                self._name = ui.input("Your name, or a pseudonym").props(
                    'outlined maxlength=64 autocomplete=off hint="letters a to z, digits, '
                    "'.', '_' and '-'\""
                )
                self._name.on("keydown.enter", self._submit)
                self._agreed = ui.checkbox("I have read this, and I agree to it")
                self._problem = ui.label().classes("co-problem").props('role="alert"')
                with ui.row():
                    ui.button("Begin", on_click=self._submit).props("no-caps")

    def set_visibility(self, is_shown: bool) -> None:
        """Show the form, or hide it."""
        self._root.set_visibility(is_shown)

    def clear(self) -> None:
        """Empty the form for the next person."""
        self._name.set_value("")
        self._agreed.set_value(False)
        self._problem.set_text("")
        self._asked_name = ""

    async def _submit(self) -> None:
        name = (self._name.value or "").strip()
        collection = self._collector.collection
        try:
            consent = await run.io_bound(collection.consent, name)
            if problem := self._find_problem(name, consent):
                self._problem.set_text(problem)
                return
            await run.io_bound(self._actions.record_consent, name)
        except AffectlineError as error:
            self._problem.set_text(str(error))
            return
        self._begin(name)

    def _find_problem(self, name: str, consent: ConsentRecord | None) -> str:
        """Why the person cannot begin yet; empty if nothing is missing."""
        if consent and consent.covers(self._collector.collection.form):
            if self._asked_name == name:
                return ""
            self._asked_name = name
            return (
                f"{name} agreed to this on {consent.agreed[-1].time[:10]}. If that is you, press "
                "Begin once more; else choose another name."
            )
        if not self._agreed.value:
            return "Please tick the box if you agree. If you do not, nothing is kept."
        return ""
