"""Actions of the page's visitors, for operators only; the audit logs them."""

from collections.abc import Callable, Mapping
from typing import Final

from affectline.common.identifiers import MOST_TYPED, safe_name
from affectline.common.settings.recording import Privacy
from affectline.services.dashboard.app_state import AppState
from affectline.services.dashboard.replays import OpenReplay
from affectline.services.sessions.edits import SessionEdits
from affectline.services.sessions.removal import hash_name
from affectline.services.web.logins import Visitor

REPLAY: Final = "replay sessions"


class DashboardActions:
    """The actions of one visitor. They raise `AffectlineError`, also for viewers.

    Args:
        state: State shared by all pages.
        visitor: The visitor.
    """

    def __init__(self, state: AppState, visitor: Visitor) -> None:
        self._state, self._visitor = state, visitor

    def publish_marker(self, label: str) -> str:
        """Publish a marker at the time that the page shows now; return that time in words."""
        self._visitor.require_operator("set markers")
        return self._state.publish_marker(label)

    def start_recording(
        self, typed: str, consent: str, privacy: Privacy, study: Mapping[str, str]
    ) -> str:
        """Start recording into a new session; return its name, derived from the typed one."""
        self._visitor.require_operator("record")
        self._state.watch.require()
        recorder = self._state.recorder
        name = recorder.start(safe_name(typed), consent, privacy, study, typed[:MOST_TYPED])
        self._add_audit_line("recording started", name, keeps=privacy)
        return name

    def stop_recording(self) -> None:
        """Finish the recording."""
        self._visitor.require_operator("stop recordings")
        running = self._state.recorder.current
        self._state.recorder.stop()
        if running:
            self._add_audit_line("recording stopped", running.name)

    async def open_replay(self, name: str, *, is_paused: bool = False) -> OpenReplay:
        """Replay a session."""
        self._visitor.require_operator(REPLAY)
        return await self._state.replays.open(name, is_paused=is_paused)

    async def seek(self, name: str, seconds: float, rate: float | None = None) -> None:
        """Continue a replay at another position, or at another rate."""
        self._visitor.require_operator(REPLAY)
        await self._state.replays.seek(name, seconds, rate)

    async def pause(self, name: str, *, paused: bool) -> None:
        """Pause a replay, or continue it."""
        self._visitor.require_operator(REPLAY)
        await self._state.replays.pause(name, paused=paused)

    async def step(self, name: str) -> None:
        """Pause a replay, and show its next frame."""
        self._visitor.require_operator(REPLAY)
        await self._state.replays.step(name)

    def edit(
        self, name: str, did: str, change: Callable[[SessionEdits], SessionEdits]
    ) -> SessionEdits:
        """Edit a session; return all of its edits.

        Args:
            name: The session.
            did: Text for the audit log, such as ``marker moved``.
            change: Makes the change.
        """
        self._visitor.require_operator("annotate sessions")
        edits = self._state.sessions.edit(name, change)
        self._add_audit_line(did, name)
        return edits

    def generate_report(self, name: str) -> None:
        """Start generating a session's report."""
        self._visitor.require_operator("make reports")
        self._state.sessions.generate_report(name)
        self._add_audit_line("report made", name)

    def delete_session(self, name: str) -> None:
        """Delete a session with everything in it."""
        self._visitor.require_operator("delete sessions")
        self._state.sessions.delete(name)
        self._add_audit_line("session deleted", name)

    def _add_audit_line(self, did: str, session: str, **what: str) -> None:
        self._state.audit.add(self._visitor, did, session=hash_name(session), **what)
