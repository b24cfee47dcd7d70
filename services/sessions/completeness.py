"""Describes what is missing from a recording, in words and as JSON values."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from affectline.common.clock import ClockStep
from affectline.common.errors import AffectlineError
from affectline.common.recording.content import RecordingContent, read_content, scan_content
from affectline.common.recording.holes import Hole, Reason, Sequence
from affectline.common.recording.reader import FILE, SessionReader
from affectline.services.sessions.run_summary import read_session

NOUNS: Final = {"Frame": "frames", "Emotion": "results", "Samples": "messages"}
REASONS: Final[dict[Reason, str]] = {
    "interrupted": "the recorder was down",
    "live": "live delivery does not wait, and a process was too slow or down",
    "unanswered": "live delivery does not wait, and the frame had not been analysed",
    "stopped": "the run was stopped first",
    "restarted": "the source was restarted",
    "ended": "the recorder ended before they arrived",
    "full": "the disk was full",
    "replayed": "the recorded replay lacked them, or was not played to its end",
    "damaged": "the file is damaged there",
    "gone": "the recorder wrote them, and they are no longer in the file",
    "": "the reason is unknown",
}
OLD: Final = "the reason is unknown (an older recorder took no notes)"
TIMED: Final = ("interrupted", "ended", "full", "damaged", "gone", "")
"""Reasons that are reported with the times between which something is missing."""
MOST_NAMED: Final = 5
"""Maximum of numbers, or ranges of numbers, listed in a sentence."""


def describe_content(content: RecordingContent, zero: int) -> dict[str, Any]:
    """What a recording holds and lacks, as JSON values.

    Args:
        content: What is known about the recording.
        zero: Second 0 of the session in ns since the Unix epoch.
    """
    return {
        "missing": content.missing if content.is_known else None,
        "unexplained": content.unexplained if content.is_known else None,
        "interruptions": content.interruptions,
        "cut_short": "disk full" if content.is_cut_short else None,
        "clock_steps": [_describe_step(step) for step in content.clock_steps],
        "sequences": [_describe_sequence(one, zero) for one in content.sequences],
        "lacks": list(missing_sentences(content, zero)),
        "notes": list(clock_sentences(content)),
    }


def read_session_content(reader: SessionReader, *, scan: bool = True) -> RecordingContent:
    """What a recording holds and lacks, from its recorder's notes and the tables beside it.

    Args:
        reader: The recording.
        scan: Read the whole recording if its recorder did not finish it.
    """
    return with_summary(read_content(reader, scan=scan), reader)


def with_summary(content: RecordingContent, reader: SessionReader) -> RecordingContent:
    """Add what the tables beside the recording know to a content, and return it."""
    is_finished = reader.file.footer is not None
    after: Reason = "interrupted" if is_finished and content.interruptions else "ended"
    if after == "ended" and is_finished and reader.about.get("delivery") != "live":
        after = ""  # sources wait for the recorder, so it should not end before it has everything
    if content.is_cut_short:
        after = "full"
    with suppress(OSError, ValueError):
        if reader.path.name == FILE:
            complete_by_summary(content, read_session(reader.path.parent), after)
    return content


def describe_completeness(path: Path, zero: int, *, scan: bool) -> list[str]:
    """Sentences on what a session's recording lacks and why, and on when the clock was set.

    Args:
        path: The session folder, or a file in it; without a recording there are no sentences.
        zero: Second 0 of the session in ns since the Unix epoch.
        scan: Read the whole recording, because part of it may be damaged.
    """
    try:
        with SessionReader(path) as reader:
            content = scan_content(reader) if scan else read_content(reader)
            with_summary(content, reader)
    except AffectlineError:
        return []
    return [*missing_sentences(content, zero), *clock_sentences(content)]


def _describe_sequence(one: Sequence, zero: int) -> dict[str, Any]:
    return {
        "message": one.kind, "of": one.name, "epoch": one.epoch, "first_seq": one.first,
        "last_seq": one.last, "expected": one.expected, "missing": one.missing,
        "unexplained": one.unexplained, "holes": [_describe_hole(hole, zero) for hole in one.holes],
    }  # fmt: skip


def _describe_hole(hole: Hole, zero: int) -> dict[str, Any]:
    return {
        "first_seq": hole.first, "last_seq": hole.last, "missing": hole.missing,
        "reason": hole.reason or None, "explained": hole.is_explained,
        "after_s": _to_seconds(hole.begins_at, zero), "before_s": _to_seconds(hole.ends_at, zero),
    }  # fmt: skip


def _describe_step(step: ClockStep) -> dict[str, Any]:
    return {"before": step.before, "after": step.after, "by_s": step.by_ns / 1e9}


def _to_seconds(at: int | None, zero: int) -> float | None:
    return None if at is None else (at - zero) / 1e9


def missing_sentences(content: RecordingContent, zero: int) -> Iterator[str]:
    """Yield a sentence, without a full stop, for each stream and signal that lacks something.

    Example:
        ``12 of 472 frames of drive are missing: the recorder was down from 0:14.2 to 0:14.9``
    """
    for of, sequences in _by_name(content.sequences).items():
        missing = sum(one.missing for one in sequences)
        if missing:
            expected = sum(one.expected for one in sequences)
            holes = [hole for one in sequences for hole in one.holes]
            verb = "is" if missing == 1 else "are"
            why = _describe_reasons(holes, missing, zero, is_noted=content.is_noted)
            yield f"{missing} of {expected} {of} {verb} missing: {why}"
        yield from (
            f"{of} after {format_moment((one.open_since - zero) / 1e9)} may be missing: "
            "the recorder was down from then on"
            for one in sequences
            if one.open_since is not None
        )


def complete_by_summary(content: RecordingContent, session: Any, after: Reason) -> None:
    """Add the frames and results that, by the tables, came after the last recorded ones.

    Args:
        content: What is known about the recording; if nothing is, nothing is added.
        session: Content of the ``session.json`` in its folder.
        after: Why they are missing.
    """
    for stream, epoch, next_seq in _read_progress(session) if content.is_known else ():
        for kind in ("Frame", "Emotion"):
            of_kind = [one for one in content.sequences if (one.kind, one.name) == (kind, stream)]
            one = next((one for one in of_kind if one.epoch == epoch), None)
            if one is None and of_kind and max(known.epoch for known in of_kind) < epoch:
                one = Sequence(kind, stream, epoch, 0, -1)
                content.sequences.append(one)
            if one is None:
                continue
            if one.last < next_seq - 1:
                first, since = one.last + 1, one.open_since
                one.holes.append(Hole(first, next_seq - 1, next_seq - first, after, since, None))
                one.last = next_seq - 1
            one.open_since = None


def _read_progress(session: Any) -> Iterator[tuple[str, int, int]]:
    """Stream, epoch and next sequence number of each stream in a ``session.json``."""
    try:
        for name, summary in session["checkpoint"]["streams"].items():
            numbers = summary["epoch"], summary["next_seq"]
            if all(type(number) is int for number in numbers):
                yield name, *numbers
    except (KeyError, TypeError, AttributeError):
        return


def sequence_lines(content: RecordingContent, zero: int) -> Iterator[tuple[str, str]]:
    """Yield what is counted for each stream and signal, and how much of it was recorded."""
    for of, sequences in _by_name(content.sequences).items():
        missing = sum(one.missing for one in sequences)
        expected = sum(one.expected for one in sequences)
        text = f"{expected - missing} of {expected}" if missing else f"all {expected}"
        if missing:
            holes = [hole for one in sequences for hole in one.holes]
            why = _describe_reasons(holes, missing, zero, is_noted=content.is_noted)
            text = f"{text}; {missing} missing: {why}"
        yield of, text


def number_sentences(content: RecordingContent, zero: int, *, explained: bool) -> Iterator[str]:
    """Yield a sentence on the sequence numbers missing from each stream and signal.

    Args:
        content: What is known about the recording.
        zero: Second 0 of the session in ns since the Unix epoch.
        explained: True for numbers with a known reason, False for those without.
    """
    for of, sequences in _by_name(content.sequences).items():
        all_holes = [hole for one in sequences for hole in one.holes]
        holes = [hole for hole in all_holes if hole.is_explained == explained]
        missing = sum(hole.missing for hole in holes)
        if missing:
            why = _describe_reasons(holes, missing, zero, is_noted=content.is_noted)
            verb = "is" if missing == 1 else "are"
            yield f"{missing} {of} {verb} missing (seq {_list_numbers(holes)}): {why}"


def clock_sentences(content: RecordingContent) -> Iterator[str]:
    """Yield a sentence, without a full stop, for each time the clock was set.

    Example:
        ``the clock was set forward by 1:00:00.0 at 2026-11-28 14:02:03, and showed 15:02:03 then``
    """
    for step in content.clock_steps:
        way = "forward" if step.by_ns > 0 else "back"
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(step.before / 1e9))
        shown = time.strftime("%H:%M:%S", time.localtime(step.after / 1e9))
        by = format_moment(abs(step.by_ns) / 1e9)
        yield f"the clock was set {way} by {by} at {date}, and showed {shown} then"


def _by_name(sequences: Iterable[Sequence]) -> dict[str, list[Sequence]]:
    """The sequences by stream or signal, in words; a restarted stream is one entry."""
    found: dict[str, list[Sequence]] = {}
    for one in sorted(sequences, key=lambda one: list(NOUNS).index(one.kind)):
        of = f"{NOUNS[one.kind]} of {one.name.replace('/', ' ')}"
        found.setdefault(of, []).append(one)
    return found


def _describe_reasons(holes: list[Hole], missing: int, zero: int, *, is_noted: bool) -> str:
    by_reason: dict[Reason, list[Hole]] = {}
    for hole in holes:
        by_reason.setdefault(hole.reason, []).append(hole)
    parts = []
    for reason, those in by_reason.items():
        text = REASONS.get(reason, reason) if reason or is_noted else OLD
        if reason in TIMED and (span := _describe_spans(those, zero)):
            text = f"{text} {span}" if reason == "interrupted" else f"{text}, {span}"
        count = sum(hole.missing for hole in those)
        parts.append(text if count == missing else f"{count} because {text}")
    return "; ".join(parts).replace("because the reason is unknown", "for an unknown reason")


def _describe_spans(holes: list[Hole], zero: int) -> str:
    """From when to when something is missing; empty if unknown."""
    spans = []
    for hole in holes[:MOST_NAMED]:
        begin, end = _to_seconds(hole.begins_at, zero), _to_seconds(hole.ends_at, zero)
        if begin is not None and end is not None:
            spans.append(f"from {format_moment(begin)} to {format_moment(end)}")
        elif begin is not None:
            spans.append(f"from {format_moment(begin)} on")
        elif end is not None:
            spans.append(f"before {format_moment(end)}")
    if len(holes) > MOST_NAMED:
        spans.append(f"{len(holes) - MOST_NAMED} times more")
    return ", ".join(dict.fromkeys(spans))


def _list_numbers(holes: list[Hole]) -> str:
    named = [
        str(hole.first) if hole.first == hole.last else f"{hole.first} to {hole.last}"
        for hole in holes[:MOST_NAMED]
    ]
    rest = len(holes) - MOST_NAMED
    return ", ".join([*named, *([f"and {rest} more ranges"] if rest > 0 else [])])


def format_moment(seconds: float) -> str:
    """Seconds as minutes and tenths of a second, such as ``0:14.2``, or ``1:00:00.0``."""
    sign, tenths = "-" if seconds < -0.05 else "", round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{sign}{start}:{rest // 10:02d}.{rest % 10}"
