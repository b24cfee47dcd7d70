"""The consent form: nobody is collected who has not agreed."""

from collections.abc import Callable

from nicegui import run, ui

from affectline.common.errors import AffectlineError
from affectline.services.collect.collector import Collector
from affectline.services.collect.consent import ConsentRecord
from affectline.services.web import components as theme


class ConsentForm:
    """The form.

    Args:
        booth: Whose text is agreed to.
        begin: Called with the name of who has agreed.
    """

    def __init__(self, booth: Collector, begin: Callable[[str], None]) -> None:
        self._booth, self._begin = booth, begin
        self._known = ""
        with ui.element("div").classes("af-wide") as self._whole, theme.card("Before we begin"):
            ui.label(booth.collection.form.text).classes("bo-text")
            with ui.element("div").classes("bo-form"):
                self._name = ui.input("Your name, or a pseudonym").props(
                    'outlined maxlength=64 autocomplete=off hint="letters a to z, digits, '
                    "'.', '_' and '-'\""
                )
                self._name.on("keydown.enter", self._press)
                self._agreed = ui.checkbox("I have read this, and I agree to it")
                self._problem = ui.label().classes("bo-problem").props('role="alert"')
                with ui.row():
                    ui.button("Begin", on_click=self._press).props("no-caps")

    def set_visibility(self, is_shown: bool) -> None:
        """Show the form, or hide it."""
        self._whole.set_visibility(is_shown)

    def clear(self) -> None:
        """For the next one."""
        self._name.set_value("")
        self._agreed.set_value(False)
        self._problem.set_text("")
        self._known = ""

    async def _press(self) -> None:
        name = (self._name.value or "").strip()
        collection = self._booth.collection
        try:
            consent = await run.io_bound(collection.consent, name)
            if problem := self._find_problem(name, consent):
                self._problem.set_text(problem)
                return
            await run.io_bound(collection.agree, name)
        except AffectlineError as error:
            self._problem.set_text(str(error))
            return
        self._begin(name)

    def _find_problem(self, name: str, consent: ConsentRecord | None) -> str:
        """What has to be said before this one may begin; empty: nothing."""
        if consent and consent.covers(self._booth.collection.form):
            if self._known == name:
                return ""
            self._known = name
            return (
                f"{name} agreed to this on {consent.agreed[-1].time[:10]}. If that is you, press "
                "Begin once more; else choose another name."
            )
        if not self._agreed.value:
            return "Please tick the box if you agree. If you do not, nothing is kept."
        return ""
