"""The page of a replay: one session, or two side by side."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from nicegui import run, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.face_signs import DOUBTS
from affectline.services.dashboard.actions import DashboardActions
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.panel import STATIC
from affectline.services.dashboard.replay_marks import (
    Change,
    list_annotations,
    list_markers,
    make_act,
)
from affectline.services.dashboard.replays import FEED, OpenReplay
from affectline.services.sessions.edits import FILE as EDITS
from affectline.services.web import components
from affectline.services.web.logins import Visitor, visitor_of

SCRIPTS: Final = STATIC / "replay"
"""Scripts import it as ``affectline-replay``."""
STYLE_URL: Final = "/replay-style"
REFRESH_S: Final = 1.0
"""How often the page checks for edits made elsewhere."""
UNDOS_KEPT: Final = 50
STUDY: Final = ("participant", "session", "task", "run", "condition")


def add_to(app: FastAPI, state: AppState) -> None:
    """Add the page ``/replay/<session>`` to a server."""
    components.add_style(app, STYLE_URL, STATIC, "replay.css")

    @ui.page("/replay/{name}", title="Replay · Affectline")
    async def show(request: Request, name: str, beside: str = "") -> None:
        names = [name] if beside in ("", name) else [name, beside]
        for one in names:
            _read_early(state, visitor_of(request.scope), one)
        await ReplayPage(state, visitor_of(request.scope), names).build()


def _read_early(state: AppState, visitor: Visitor, name: str) -> None:
    """Read and send the curves while the browser still loads the page's scripts."""
    with suppress(AffectlineError, OSError):
        state.sessions.find_recorded(name)
        if visitor.may_operate:
            ui.add_head_html(
                f'<link rel="preload" as="fetch" crossorigin href="/replay/{name}/curves">'
            )


class ReplayView(
    Element,
    component=SCRIPTS / "view.js",
    esm={"affectline-replay": str(SCRIPTS), "affectline-dashboard": str(STATIC)},
):
    """One session, drawn entirely in the browser."""

    def __init__(self, replay: OpenReplay, sides: int) -> None:
        super().__init__()
        control = replay.control
        self._props.update(
            name=control.name, title=control.title, about=_describe(control.described),
            feed=FEED + control.name, zero=control.zero_ns / 1e6, length=control.seconds,
            labels=list(LABELS), doubts=[DOUBT_WORDS[doubt] for doubt in DOUBTS],
            marks={"markers": [], "annotations": []}, sides=sides,
            begins=replay.updates.history(),
        )  # fmt: skip

    def show_marks(self, marks: dict[str, Any]) -> None:
        """Show markers and annotations."""
        self._props["marks"] = marks
        self.update()


class BesideChoice(Element, component=SCRIPTS / "beside.js"):
    """Selects another session to show beside this one."""

    def __init__(self, name: str, beside: str) -> None:
        super().__init__()
        self._props.update(name=name, beside=beside, others=[])

    def offer(self, others: Sequence[dict[str, str]]) -> None:
        """Offer sessions to choose from."""
        self._props["others"] = list(others)
        self.update()


class ReplayPage:
    """The page in one browser.

    Args:
        state: State shared by all browsers.
        visitor: Who has opened the page.
        names: The sessions, one or two.
    """

    def __init__(self, state: AppState, visitor: Visitor, names: Sequence[str]) -> None:
        self._state, self._visitor, self._names = state, visitor, names
        self._actions = DashboardActions(state, visitor)

    async def build(self) -> None:
        """Open the replays, and build the page."""
        components.KeyBindings({})  # loads the shared scripts in the browser
        with components.header("replay", self._visitor):
            ui.link("Live page", "/").props('aria-label="Back to the live page"')
            if self._visitor.may_operate:
                choice = BesideChoice(self._names[0], self._names[1] if self._names[1:] else "")
                ui.timer(0, lambda: self._offer(choice), once=True)
        classes = "af-replay-main af-two" if len(self._names) > 1 else "af-replay-main"
        with ui.element("div").classes(classes):
            for name in self._names:
                await self._build_side(name)

    async def _build_side(self, name: str) -> None:
        try:
            replay = await self._actions.open_replay(name)
        except (AffectlineError, OSError) as error:
            with components.card(name[:80]):
                text = self._state.sessions.explain(name, error)
                ui.label(text).props('role="alert"')
                ui.link("Back to the list of sessions", "/")
            return
        await ReplaySide(self._state, self._actions, replay, len(self._names)).build()

    async def _offer(self, choice: BesideChoice) -> None:
        rows = await run.io_bound(self._state.sessions.list_sessions)
        if not choice.is_deleted:
            choice.offer([
                {"name": row["name"], "title": row.get("title") or row["name"]}
                for row in rows or ()
                if row["recording"] is not None and row["name"] != self._names[0]
            ])  # fmt: skip


class ReplaySide:
    """One session on the page.

    Args:
        state: State shared by all browsers.
        actions: Actions of the visitor who has opened the page.
        replay: The session's replay.
        sides: Number of sessions on the page.
    """

    def __init__(
        self, state: AppState, actions: DashboardActions, replay: OpenReplay, sides: int
    ) -> None:
        self._state, self._actions, self._sides = state, actions, sides
        self._replay, self._name = replay, replay.control.name
        self._undo: list[tuple[str, Change]] = []
        """Undo steps for the changes made on this page, newest last."""
        self._edited_at = 0

    async def build(self) -> None:
        """Add the session to the page."""
        self._view = ReplayView(self._replay, self._sides)
        self._view.on("act", self._act)
        await self._show_marks()
        ui.timer(REFRESH_S, self._refresh)

    async def _act(self, event: GenericEventArguments) -> None:
        """Carry out a request from the page."""
        asked = event.args if isinstance(event.args, dict) else {}
        try:
            await self._do(asked)
        except (AffectlineError, OSError) as error:
            self._notify(str(error), is_problem=True)

    async def _do(self, asked: dict[str, Any]) -> None:
        actions, name, do = self._actions, self._name, asked.get("do")
        match do:
            case "open":
                await actions.open_replay(name, is_paused=True)
            case "pause":
                await actions.pause(name, paused=bool(asked.get("paused")))
            case "seek":
                await actions.seek(name, _number(asked, "at"), _rate(asked))
            case "step" if asked.get("back"):
                await self._step_back(_number(asked, "at"))
            case "step":
                await actions.step(name)
            case "undo":
                await self._undo_last()
            case "add" | "change" | "delete":
                await self._edit(asked)

    async def _step_back(self, position: float) -> None:
        """Seek to the previous frame: a paused replay shows the first frame at its position."""
        before = await run.io_bound(self._replay.facts.frame_before, position - 0.0005)
        await self._actions.pause(self._name, paused=True)
        await self._actions.seek(self._name, before or 0.0)
        self._view.run_method("showFrame", before or 0.0)

    async def _undo_last(self) -> None:
        if not self._undo:
            self._notify("Nothing to undo.")
            return
        did, change = step = self._undo.pop()
        try:
            await run.io_bound(self._actions.edit, self._name, did, change)
        except (AffectlineError, OSError):
            self._undo.append(step)
            raise
        await self._show_marks()
        self._notify("Undone.", can_undo=bool(self._undo))

    async def _edit(self, asked: dict[str, Any]) -> None:
        recorded = await run.io_bound(lambda: self._replay.facts.markers) or ()
        edits = await run.io_bound(self._state.sessions.edits, self._name)
        if edits is None:  # the server is stopping
            return
        act = make_act(asked, recorded, edits, self._replay.control.zero_ns)
        if act.change(edits) == edits:
            self._notify(act.told_if_unchanged)
            return
        await run.io_bound(self._actions.edit, self._name, act.did, act.change)
        self._undo = [*self._undo, (f"{act.did}: undone", act.undo)][-UNDOS_KEPT:]
        await self._show_marks()
        self._notify(act.told, can_undo=True)

    def _notify(self, text: str, *, can_undo: bool = False, is_problem: bool = False) -> None:
        said = {"text": text, "canUndo": can_undo, "isProblem": is_problem}
        self._view.run_method("tell", said)

    async def _show_marks(self) -> None:
        self._edited_at = self._edit_time()
        marks = await run.io_bound(self._read_marks)
        if marks is not None and not self._view.is_deleted:
            self._view.show_marks(marks)

    def _read_marks(self) -> dict[str, Any]:
        edits = self._state.sessions.edits(self._name)
        rows = list_markers(self._replay.facts.markers, edits, self._replay.control.zero_ns)
        return {
            "markers": [row.to_dict() for row in rows],
            "annotations": list_annotations(edits),
        }

    async def _refresh(self) -> None:
        """Show edits made elsewhere."""
        if self._edit_time() != self._edited_at:
            with suppress(AffectlineError, OSError):
                await self._show_marks()

    def _edit_time(self) -> int:
        """When the session's edits were last written; 0 if there are none."""
        path: Path = self._state.sessions.folder / self._name / EDITS
        try:
            return path.stat().st_mtime_ns
        except OSError:
            return 0


def _number(asked: dict[str, Any], name: str) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise AffectlineError(f"{name}: not a time", "")
    return max(0.0, float(value))


def _rate(asked: dict[str, Any]) -> float | None:
    rate = asked.get("rate")
    return None if rate is None else min(max(_number(asked, "rate"), 0.05), 100.0)


def _describe(described: dict[str, Any]) -> list[str]:
    """Facts about a session, shown below its name after when it began."""
    study = described["study"] or {}
    return [f"{name} {study[name]}" for name in STUDY if study.get(name)]
