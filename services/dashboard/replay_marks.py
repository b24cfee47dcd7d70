"""Shows and changes markers and annotations of a session on its replay page."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Marker
from affectline.services.sessions.edits import (
    LABEL_MAX,
    Annotation,
    EditedMarker,
    MarkerEdit,
    RecordedMarker,
    SessionEdits,
)
from affectline.services.sessions.marker_edits import recorded_of
from affectline.services.supervisor.replay_plan import parse_time

CLOCK: Final = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)")
"""Hours, minutes and seconds, as in a player."""
SIGNS: Final = ("-", "\N{MINUS SIGN}")
FIELDS: Final = {
    ("marker", "at"): "Time", ("annotation", "at"): "From", ("annotation", "end"): "To",
}  # fmt: skip
"""Names of the fields for times on the page."""
Change = Callable[[SessionEdits], SessionEdits]
M = TypeVar("M", Annotation, EditedMarker)


class MarkerRow(NamedTuple):
    """A marker after its edits."""

    key: str
    """Identifies it for the browser."""
    now: EditedMarker
    recorded: RecordedMarker | None
    """The marker as recorded; None if it was added afterwards."""
    edit: MarkerEdit | None
    """Its edit, if any."""
    was_s: float | None
    """Its recorded time in seconds of the session."""

    def to_dict(self) -> dict[str, Any]:
        """The marker for the browser."""
        recorded = self.recorded
        was = None
        if recorded is not None and self.edit is not None and self.was_s is not None:
            was = f"recorded as {recorded.label!r} at {format_session_time(self.was_s)}"
        return {
            "key": self.key, "at": self.now.time_s, "label": self.now.label,
            "source": recorded.source if recorded else "", "was": was,
            "added": recorded is None,
        }  # fmt: skip


class Act(NamedTuple):
    """A change of a session's edits, and how to undo it."""

    did: str
    """Text for the audit log, such as ``marker moved``."""
    told: str
    """Text for the user."""
    change: Change
    undo: Change
    told_if_unchanged: str
    """Text for the user if the change leaves the edits as they are."""


def format_session_time(seconds: float) -> str:
    """Format hours, minutes and seconds, such as ``0:01:02.5``."""
    tenths = round(abs(seconds) * 10)
    sign = "\N{MINUS SIGN}" if seconds < 0 and tenths else ""
    minutes, rest = divmod(tenths, 600)
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest / 10:04.1f}"


def parse_clock(text: str, name: str) -> float:
    """Parse ``1:02.5``, ``62.5``, ``1m2.5s``, or one of them after a minus sign, to seconds.

    Args:
        text: The typed text.
        name: Name of the field, for the message.

    Raises:
        AffectlineError: The text is not a time.
    """
    text = text.strip()
    is_before = text.startswith(SIGNS)
    try:
        seconds = _parse_unsigned(text[1:] if is_before else text)
    except AffectlineError as error:
        raise AffectlineError(
            f"{name} {text[:40]!r}: not a time", "1:02.5 or 62.5, for example"
        ) from error
    return -seconds if is_before and seconds else seconds


def _parse_unsigned(text: str) -> float:
    if match := CLOCK.fullmatch(text):
        hours, minutes, seconds = match.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    return parse_time(text)


def list_markers(recorded: Sequence[Marker], edits: SessionEdits, zero: int) -> list[MarkerRow]:
    """A session's markers after their edits, sorted by time.

    Args:
        recorded: Recorded markers, sorted by time.
        edits: Edits of the session.
        zero: Zero of the session's time line, in ns since the Unix epoch.
    """
    by_recorded = {
        _fingerprint(edit.recorded): edit for edit in edits.markers if edit.recorded is not None
    }
    rows = []
    for number, marker in enumerate(recorded):
        original = recorded_of(marker)
        edit = by_recorded.get(_fingerprint(original))
        at_s = (marker.at - zero) / 1e9
        now = edit.now if edit else EditedMarker.model_construct(time_s=at_s, label=marker.label)
        if now is not None:
            rows.append(MarkerRow(f"r{number}", now, original, edit, at_s))
    rows += [
        MarkerRow(f"a{_fingerprint(edit.now)}", edit.now, None, edit, None)
        for edit in edits.markers
        if edit.recorded is None and edit.now is not None
    ]
    return sorted(rows, key=lambda row: (row.now.time_s, row.now.label))


def list_annotations(edits: SessionEdits) -> list[dict[str, Any]]:
    """A session's annotations for the browser."""
    return [
        {
            "key": f"n{_fingerprint(one)}", "at": one.begin_s, "end": one.end_s,
            "label": one.label, "excluded": one.is_excluded,
        }
        for one in edits.annotations
    ]  # fmt: skip


def make_act(
    asked: Mapping[str, Any], recorded: Sequence[Marker], edits: SessionEdits, zero: int
) -> Act:
    """Make the change that a page requests.

    Args:
        asked: ``of`` (``marker``, ``annotation``), ``do`` (``add``, ``change``, ``delete``), the
            ``key`` of the changed item, and its new ``at``, ``end``, ``label`` and ``excluded``.
            Times are seconds, or texts as typed.
        recorded: The session's markers, sorted by time.
        edits: Its edits so far.
        zero: Zero of its time line, in ns since the Unix epoch.

    Raises:
        AffectlineError: The request is invalid.
    """
    if asked.get("of") == "annotation":
        return _annotation_act(asked, edits)
    return _marker_act(asked, list_markers(recorded, edits, zero), edits)


def _marker_act(asked: Mapping[str, Any], rows: Sequence[MarkerRow], edits: SessionEdits) -> Act:
    do = asked.get("do")
    row = next((row for row in rows if row.key == asked.get("key")), None)
    if do != "add" and row is None:
        raise AffectlineError("this marker no longer exists", "check the list")
    before = row.edit if row else None
    if do == "delete" and row:
        after = MarkerEdit(recorded=row.recorded) if row.recorded else None
        what = "deleted"
    else:
        at_s = _time(asked, "marker", "at", row.now.time_s if row else None)
        now = _valid(
            EditedMarker, time_s=at_s, label=_label(asked, row.now.label if row else "marker")
        )
        after = MarkerEdit(recorded=row.recorded if row else None, now=now)
        moved = row is not None and now.time_s != row.now.time_s
        what = "added" if row is None else "moved" if moved else "renamed"
        if row and row.recorded and (now.label, now.time_s) == (row.recorded.label, row.was_s):
            after = None  # back to the recorded marker
    label = row.now.label if row else _label(asked, "marker")
    is_there = after == before or after in edits.markers
    return Act(
        f"marker {what}",
        f"Marker {_short(label)} {what}.",
        lambda edits: edits if is_there else edits.with_marker(after, before),
        lambda edits: edits.with_marker(before, after),
        _already("Marker", after.now.label if after and after.now else label),
    )


def _annotation_act(asked: Mapping[str, Any], edits: SessionEdits) -> Act:
    do, key = asked.get("do"), asked.get("key")
    before = next((one for one in edits.annotations if f"n{_fingerprint(one)}" == key), None)
    if do != "add" and before is None:
        raise AffectlineError("this annotation no longer exists", "check the list")
    if do == "delete" and before:
        gone = before
        told = f"Annotation {_short(gone.label)} deleted."
        return Act(
            "annotation removed", told,
            lambda edits: _without(edits, gone), lambda edits: edits.annotated(gone), told,
        )  # fmt: skip
    after = _valid(
        Annotation,
        begin_s=_time(asked, "annotation", "at", before.begin_s if before else None),
        end_s=_time(asked, "annotation", "end", before.end_s if before else None),
        label=_label(asked, before.label if before else ""),
        is_excluded=bool(asked.get("excluded", before.is_excluded if before else False)),
    )
    is_there = after in edits.annotations
    if before is None:
        return Act(
            "session annotated", f"Annotation {_short(after.label)} added.",
            lambda edits: edits if is_there else edits.annotated(after),
            lambda edits: _without(edits, after), _already("Annotation", after.label),
        )  # fmt: skip
    was = before
    return Act(
        "annotation changed", f"Annotation {_short(after.label)} changed.",
        lambda edits: edits if is_there else edits.replaced(was, after),
        lambda edits: edits.replaced(after, was), _already("Annotation", after.label),
    )  # fmt: skip


def _without(edits: SessionEdits, annotation: Annotation) -> SessionEdits:
    if annotation not in edits.annotations:  # another page was faster
        return edits
    return edits.without(edits.annotations.index(annotation) + 1)


def _time(asked: Mapping[str, Any], of: str, name: str, before: float | None) -> float:
    given = asked.get(name)
    if given is None and before is not None:
        return before
    if isinstance(given, str):
        return parse_clock(given, FIELDS[of, name])
    if isinstance(given, int | float) and not isinstance(given, bool):
        return round(float(given), 3)
    raise AffectlineError("no time was given", "1:02.5 or 62.5, for example")


def _label(asked: Mapping[str, Any], before: str) -> str:
    label = str(asked.get("label", before)).strip()
    if not label:
        raise AffectlineError("a label is needed", "enter a label")
    if len(label) > LABEL_MAX:
        raise AffectlineError(
            f"the label has {len(label)} characters", f"use at most {LABEL_MAX} characters"
        )
    return label


def _valid(model: type[M], **fields: Any) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":  # the annotation's own validator
            text = first["msg"].removeprefix("Value error, ")
            raise AffectlineError(text, "put From before To") from error
        raise AffectlineError(  # labels have been checked
            "the time is more than a week from the session's start", "1:02.5 or 62.5, for example"
        ) from error


def _already(what: str, label: str) -> str:
    return f"{what} {_short(label)} is already there."


def _short(label: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{label[:40]}\N{RIGHT DOUBLE QUOTATION MARK}"


def _fingerprint(one: RecordedMarker | EditedMarker | Annotation) -> str:
    return sha256(one.model_dump_json().encode()).hexdigest()[:12]
