"""Handles clients' requests for markers and recordings over any protocol. Thread-safe."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from pydantic import JsonValue, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.runtime.recordings import make_record, start_recording, stop_recording
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.messages import Marker
from affectline.services.sessions.removal import hash_name
from affectline.services.web.audit import Audit
from affectline.services.web.logins import Visitor

if TYPE_CHECKING:
    from affectline.common.settings.recording import Privacy

MARKERS_A_SECOND: Final = 200
"""Rate limit, above what any experiment needs; beyond it clients get an error."""
OLDEST_S: Final = 60.0
"""Maximum age of a marker; a higher age means that a clock is wrong."""
IDS_KNOWN: Final = 1000
"""Newest markers whose IDs are remembered: a client sends the unanswered ones again."""
NOT_NOTED: Final = "none noted: recorded by remote control"
WHERE: Final = "see docs/experiments.md"


class Accepted(NamedTuple):
    """An accepted marker."""

    label: str
    at: int
    """Time in ns since the Unix epoch."""


class RemoteController:
    """Accepts markers, and starts and stops recordings.

    Args:
        hub: The pipeline's hub.
        present: Returns the session's current time in ns since the Unix epoch, and whether it comes
            from a clock: while a film is analysed or replayed, a marker refers to the newest frame.
        wake: Called when a marker is waiting.
        audit: Log that gets a line for each recording.
        require: Raises an `AffectlineError` if there is no pipeline that can take markers.
    """

    def __init__(
        self,
        hub: HubSettings,
        present: Callable[[], tuple[int, bool]],
        wake: Callable[[], None],
        audit: Audit,
        require: Callable[[], None] = lambda: None,
    ) -> None:
        self._hub, self._present, self._wake, self._audit = hub, present, wake, audit
        self._require = require
        self._waiting: deque[Marker] = deque()
        self._recent: deque[float] = deque()
        self._by_id: OrderedDict[str, Accepted] = OrderedDict()
        self._lock = threading.Lock()
        self._recording = threading.Lock()
        """Serializes commands about recordings."""

    def mark(
        self,
        label: str,
        source: str,
        fields: Mapping[str, JsonValue],
        age_s: float = 0.0,
        marker_id: str = "",
    ) -> Accepted:
        """Accept a marker: it is published at once, and kept until it is on disk.

        Args:
            label: What happened.
            source: Who reports it.
            fields: Further fields.
            age_s: How long ago it happened.
            marker_id: Its ID, chosen by the client: a marker that is sent again is accepted only
                once. Empty: it has none.

        Raises:
            AffectlineError: The marker is invalid, there are too many, or there is no pipeline that
                can take it.
        """
        with self._lock:
            if marker_id in self._by_id:
                return self._by_id[marker_id]
        if not 0 <= age_s <= OLDEST_S:
            raise AffectlineError(
                f"age {age_s:.3f} s: not from 0 to {OLDEST_S:g}", "check the client's clock"
            )
        self._require()
        now, is_clock = self._present()
        at = now - round(age_s * 1e9) if is_clock else now
        try:
            marker = Marker(
                session="session", at=at, label=label, source=source[:200], extra={**fields}
            )
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise AffectlineError(f"{place}: {first['msg']}", WHERE) from error
        accepted = Accepted(label, at)
        with self._lock:
            self._limit_rate()
            self._waiting.append(marker)
            if marker_id:
                self._by_id[marker_id] = accepted
                if len(self._by_id) > IDS_KNOWN:
                    self._by_id.popitem(last=False)
        self._wake()
        return accepted

    def _limit_rate(self) -> None:
        now = time.monotonic()
        while self._recent and now - self._recent[0] > 1:
            self._recent.popleft()
        if len(self._recent) >= MARKERS_A_SECOND:
            raise TooManyMarkersError(
                f"more than {MARKERS_A_SECOND} markers a second", "send fewer, or wait"
            )
        self._recent.append(now)

    def pop_markers(self) -> list[Marker]:
        """Return the markers to publish."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
        return waiting

    def record(self, typed: str, fields: Mapping[str, str], caller: Visitor) -> str:
        """Start a recording; return the name of its session once it is running.

        Args:
            typed: The session's name as typed by the user.
            fields: ``consent``, ``privacy``, and the session's place in a study.
            caller: The client that requests it.

        Raises:
            AffectlineError: The request is invalid, or the pipeline refuses it.
        """
        study = {name: text for name, text in fields.items() if name not in ("consent", "privacy")}
        try:
            action = make_record(
                typed,
                privacy=cast("Privacy", fields.get("privacy", "everything")),  # validated there
                consent=fields.get("consent", NOT_NOTED),
                study=study,
            )
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise AffectlineError(f"{place} {first['input']!r}: {first['msg']}", WHERE) from error
        with self._recording:
            session = start_recording(self._hub, action)
        code = hash_name(session)
        self._audit.add(caller, "recording started", session=code, keeps=action.privacy)
        return session

    def stop(self, caller: Visitor) -> str:
        """Finish the recording; return its session once the file is complete.

        Args:
            caller: The client that requests it.

        Raises:
            AffectlineError: Nothing is being recorded, or the recording does not finish.
        """
        with self._recording:
            session = stop_recording(self._hub)
        self._audit.add(caller, "recording stopped", session=hash_name(session))
        return session


class TooManyMarkersError(AffectlineError):
    """A client sends too many markers."""
