"""Applies edited markers in place of the recorded ones."""

from collections.abc import Iterable, Iterator
from typing import Final

from affectline.common.wire.messages import Marker, Packet
from affectline.services.sessions.edits import EditedMarker, RecordedMarker, SessionEdits

ADDED: Final = "added afterwards"
"""Source of markers that were added after the recording."""


def recorded_of(marker: Marker) -> RecordedMarker:
    """The key of a recorded marker in the edits."""
    return RecordedMarker(
        at=marker.at,
        label=marker.label,
        session=marker.session,
        source=marker.source,
        extra=marker.extra,
    )


def edited_marker(recorded: RecordedMarker | None, now: EditedMarker, session_start: int) -> Marker:
    """A marker after its edit. All other fields stay as recorded.

    Args:
        recorded: The marker as recorded; None if it was added afterwards.
        now: Its edited time and label.
        session_start: Zero of the session's time line in ns since the Unix epoch.
    """
    at = max(0, session_start + round(now.time_s * 1e9))
    if recorded is None:
        return Marker(session="session", at=at, label=now.label, source=ADDED)
    return Marker(
        session=recorded.session,
        at=at,
        label=now.label,
        source=recorded.source,
        extra=recorded.extra,
    )


def new_markers(edits: SessionEdits, session_start: int) -> list[Marker]:
    """Added, moved and renamed markers, sorted by time."""
    found = [
        edited_marker(edit.recorded, edit.now, session_start)
        for edit in edits.markers
        if edit.now is not None
    ]
    return sorted(found, key=lambda marker: marker.at)


def is_replaced(marker: Marker, edits: SessionEdits) -> bool:
    """Whether a recorded marker was moved, renamed or deleted."""
    return any(edit.recorded == recorded_of(marker) for edit in edits.markers if edit.recorded)


def with_edited_markers(
    packets: Iterable[Packet], edits: SessionEdits, session_start: int | None
) -> Iterator[Packet]:
    """Yield a session's messages with edited markers, each at its time.

    Args:
        packets: The messages as recorded.
        edits: The session's edits.
        session_start: Zero of the session's time line in ns since the Unix epoch; if it is
            unknown, the edits are not applied.
    """
    if not edits.markers or session_start is None:
        yield from packets
        return
    waiting = new_markers(edits, session_start)
    for packet in packets:
        message = packet.message
        if isinstance(message, Marker):
            if is_replaced(message, edits):
                continue
        else:
            at = message.event_time
            while waiting and at is not None and waiting[0].at <= at:
                yield Packet(waiting.pop(0))
        yield packet
    for marker in waiting:
        yield Packet(marker)
