"""What a recording lacks: missing sequence numbers of messages, and the reasons.

Frames and results are counted from their stream's first frame (`seq` within `epoch`), samples
within their signal. A hole is any gap between the numbers that are there, or between them and the
limits announced by a stream's start and end. It is explained if there is a reason: a note of the
recorder, live delivery, the end of a run. The recorder lists the holes when it finishes its file,
so that nobody needs to read all of it, and later losses can be recognized.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self

from affectline.common.recording.notes import NOTES_VERSION, is_number
from affectline.common.recording.seq_ranges import Edge, Gap, SeqRanges, subtract

Reason = Literal[
    "interrupted", "live", "unanswered", "stopped", "restarted", "replayed", "ended", "full",
    "damaged", "gone", "",
]  # fmt: skip
"""``interrupted``: the recorder was down. ``live``: live delivery does not wait. ``unanswered``:
the same, for a result whose frame is there. ``stopped``: the run was stopped before it arrived.
``restarted``: its source was restarted before that. ``replayed``: the recording is of a replay that
lacks it. ``ended``: the recorder ended before it arrived, as the tables beside the recording show.
``full``: the same, because the disk was full.

The others explain nothing. ``damaged``: the file is damaged here. ``gone``: the recorder wrote it,
but it is no longer in the file. Empty: the reason is unknown."""
UNEXPLAINED: Final = ("damaged", "gone", "")
COUNTED: Final = ("Frame", "Emotion", "Samples")
"""Kinds of message that their source numbers without gaps."""
MOST_LISTED: Final = 20_000
"""Maximum number of holes listed per sequence; the last one then stands for the rest."""
SILENCE_NS: Final = 5_000_000_000
"""A sequence without messages for this long may have ended."""
MS: Final = 1_000_000


class SequenceName(NamedTuple):
    """Identifies a sequence of numbered messages."""

    kind: str
    """One of `COUNTED`."""
    name: str
    """The stream, or subject and signal: ``anna/heart_rate``."""
    epoch: int


class Hole(NamedTuple):
    """A row of missing messages."""

    first: int
    """Number of the first missing message."""
    last: int
    missing: int
    """How many; fewer than from first to last only if there were too many holes to list."""
    reason: Reason
    begins_at: int | None
    """Time of the last message before it, in ns since the Unix epoch; None: there is none."""
    ends_at: int | None
    """Time of the first message after it, likewise."""

    @property
    def is_explained(self) -> bool:
        return self.reason not in UNEXPLAINED

    @property
    def is_sound(self) -> bool:
        """Whether its fields have valid types: it may come from a damaged file."""
        numbers = (self.first, self.last, self.missing)
        times = (time for time in (self.begins_at, self.ends_at) if time is not None)
        return type(self.reason) is str and all(map(is_number, (*numbers, *times)))


@dataclass
class Sequence:
    """One sequence, with its holes."""

    kind: str
    name: str
    epoch: int
    first: int
    """Number of the first message that should be there."""
    last: int
    """Number of the last one; below `first` if there is none."""
    holes: list[Hole] = field(default_factory=list)
    open_since: int | None = None
    """Time of its last message, in ns since the Unix epoch, if the recorder was down from then on,
    so that it is unknown whether more should be there; None: that is known."""

    @property
    def key(self) -> SequenceName:
        return SequenceName(self.kind, self.name, self.epoch)

    @property
    def expected(self) -> int:
        """Number of messages that should be there."""
        return self.last - self.first + 1

    @property
    def missing(self) -> int:
        return sum(hole.missing for hole in self.holes)

    @property
    def unexplained(self) -> int:
        """Number of messages that are missing for an unknown reason."""
        return sum(hole.missing for hole in self.holes if not hole.is_explained)

    def to_fields(self) -> dict[str, Any]:
        """Convert to JSON values for the file."""
        holes = [list(hole) for hole in self.holes[:MOST_LISTED]]
        if len(self.holes) > MOST_LISTED:
            rest = self.holes[MOST_LISTED - 1 :]
            holes[-1] = [
                rest[0].first, rest[-1].last, sum(hole.missing for hole in rest), rest[0].reason,
                rest[0].begins_at, rest[-1].ends_at,
            ]  # fmt: skip
        return {
            "kind": self.kind, "name": self.name, "epoch": self.epoch, "first": self.first,
            "last": self.last, "holes": holes, "open_since": self.open_since,
        }  # fmt: skip

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Convert from JSON values.

        Raises:
            ValueError, TypeError, KeyError: The values are not valid.
        """
        holes = [Hole(*hole) for hole in fields["holes"]]
        if not all(hole.is_sound for hole in holes):
            raise ValueError("holes that are not valid")
        epoch, first, last = fields["epoch"], fields["first"], fields["last"]
        if not all(map(is_number, (epoch, first, last))):
            raise ValueError("numbers that are not valid")
        if fields["kind"] not in COUNTED:
            raise ValueError("of an unknown kind")
        since = fields["open_since"]
        if not (since is None or is_number(since)):
            raise ValueError("a time that is not valid")
        return cls(fields["kind"], str(fields["name"]), epoch, first, last, holes, since)


def to_content(sequences: Iterable[Sequence]) -> dict[str, Any]:
    """The fields of the note about what a file contains and lacks."""
    return {"version": NOTES_VERSION, "sequences": [one.to_fields() for one in sequences]}


def parse_content(fields: Mapping[str, Any]) -> list[Sequence] | None:
    """Parse the note about what a file contains and lacks; None if it is not valid."""
    if fields.get("version") != NOTES_VERSION:
        return None
    try:
        return [Sequence.from_fields(one) for one in fields["sequences"]]
    except (ValueError, TypeError, KeyError):
        return None


class _Break(NamedTuple):
    """A break between two parts of a file."""

    reason: Literal["interrupted", "damaged"]
    away_from: int
    """By the clock, in ns since the Unix epoch; 0 if unknown."""
    latest: int
    """Log time of the newest message before it, likewise."""


@dataclass
class _Stream:
    """What is known about a stream's epoch besides its frames and results."""

    first_seq: int | None = None
    last_seq: int | None = None
    begins: Edge | None = None
    ends: Edge | None = None
    end_reason: str = ""


class SequenceTracker:
    """Tracks the messages of a recording, in the order of the file.

    Its memory grows with the number of holes, not of messages.
    """

    def __init__(self) -> None:
        self._seen: dict[SequenceName, SeqRanges] = {}
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._breaks: list[_Break] = []
        self._is_replay = False
        self.latest: int | None = None
        """Log time of the newest message except markers, in ns since the Unix epoch."""

    def observe(self, kind: str, fields: Mapping[str, Any], at: int) -> None:
        """Add a message of the file.

        Args:
            kind: Name of its class.
            fields: Its header.
            at: Its log time, in ns since the Unix epoch.
        """
        if kind != "Marker":  # a tool may be wrong about the time
            self.latest = at if self.latest is None else max(self.latest, at)
        edge = Edge(at, len(self._breaks))
        try:
            if kind in COUNTED:
                self._observe_counted(kind, fields, edge)
            elif kind in ("StreamStart", "StreamEnd"):
                self._observe_stream(kind, fields, edge)
        except (KeyError, TypeError):  # of a damaged message, or of another tool's
            return

    def _observe_counted(self, kind: str, fields: Mapping[str, Any], edge: Edge) -> None:
        seq, epoch = fields["seq"], fields["epoch"]
        is_signal = kind == "Samples"
        name = f"{fields['subject']}/{fields['signal']}" if is_signal else fields["stream"]
        if type(seq) is not int or type(epoch) is not int or type(name) is not str:
            return
        key = SequenceName(kind, name, epoch)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = SeqRanges()
        seen.add(seq, edge)

    def _observe_stream(self, kind: str, fields: Mapping[str, Any], edge: Edge) -> None:
        name, epoch = fields["stream"], fields["epoch"]
        seq = fields["last_seq"] if kind == "StreamEnd" else fields.get("first_seq", 0)
        if type(name) is not str or type(epoch) is not int or type(seq) is not int:
            return
        stream = self._streams.setdefault((name, epoch), _Stream())
        if kind == "StreamEnd":
            stream.last_seq, stream.end_reason = seq, str(fields["reason"])
            stream.ends = stream.ends or edge
            return
        first = seq
        # A source that was reopened begins where it had been
        stream.first_seq = first if stream.first_seq is None else min(first, stream.first_seq)
        stream.begins = stream.begins or edge
        self._is_replay |= bool(fields.get("replay"))

    def interrupt(self, away_from: int) -> None:
        """Mark the point from which another recorder has written the file.

        Args:
            away_from: When the previous recorder stopped, by the clock, in ns since the Unix epoch.
        """
        self._breaks.append(_Break("interrupted", away_from, self.latest or 0))

    def pass_damage(self) -> None:
        """Mark a point where a part of the file cannot be read."""
        self._breaks.append(_Break("damaged", 0, self.latest or 0))

    def sequences(self, *, is_live: bool, is_replay: bool = False) -> list[Sequence]:
        """All sequences with their holes, in the order of names.

        Args:
            is_live: Whether delivery was live, so that messages are missing if a stage was slow.
            is_replay: Whether a replay is known to be recorded; its streams also show it.
        """
        self._is_replay |= is_replay
        found = []
        for key in sorted({*self._seen, *self._promised()}):
            seen = self._seen.get(key, SeqRanges())
            first, last = self._bounds(key, seen)
            sequence = Sequence(*key, first, last, open_since=self._open_since(key, seen))
            for gap in seen.gaps(first, last):
                reason = self._explain(key, self._with_stream(key, gap), is_live=is_live)
                begins_at = gap.before.at if gap.before else None
                ends_at = gap.after.at if gap.after else None
                sequence.holes.append(
                    Hole(gap.first, gap.last, gap.size, reason, begins_at, ends_at)
                )
            found.append(sequence)
        return found

    def has(self, key: SequenceName, seq: int) -> bool:
        """Whether a message was seen."""
        return key in self._seen and seq in self._seen[key]

    def missing_of(self, key: SequenceName, first: int, last: int) -> Iterator[Gap]:
        """Yield the gaps in a range of numbers."""
        return self._seen.get(key, SeqRanges()).gaps(first, last)

    def _promised(self) -> Iterator[SequenceName]:
        """Yield frames and results of streams that have none, although their end announces some."""
        kept = {(key.kind, key.name) for key in self._seen}
        for (name, epoch), stream in self._streams.items():
            if (stream.last_seq if stream.last_seq is not None else -1) < (stream.first_seq or 0):
                continue
            if stream.first_seq is not None:
                # A recording without any frames, or without a detector, lacks nothing
                yield from (
                    SequenceName(kind, name, epoch)
                    for kind in ("Frame", "Emotion")
                    if (kind, name) in kept
                )

    def _bounds(self, key: SequenceName, seen: SeqRanges) -> tuple[int, int]:
        """First and last number that should be there."""
        stream = self._streams.get((key.name, key.epoch), _Stream())
        firsts = [stream.first_seq, seen.first if seen.ranges else None]
        lasts = [stream.last_seq, seen.last if seen.ranges else None]
        if key.kind != "Samples":
            other = "Emotion" if key.kind == "Frame" else "Frame"
            beside = self._seen.get(key._replace(kind=other))
            if beside and beside.ranges:
                # Answers lag behind: those to frames before the first may still arrive. Those to
                # the last frames may never arrive, unless their stream has continued or ended
                if key.kind == "Emotion":
                    firsts.append(beside.first)
                if key.kind == "Frame" or self._is_followed(key):
                    lasts.append(beside.last)
        if seen.ranges and self._began_meanwhile(key, seen.ranges[0].begins):
            firsts.append(0)
        return (
            min((first for first in firsts if first is not None), default=0),
            max((last for last in lasts if last is not None), default=-1),
        )

    def _open_since(self, key: SequenceName, seen: SeqRanges) -> int | None:
        """Time of the last message, if the recorder was down from then on; else None."""
        stream = self._streams.get((key.name, key.epoch), _Stream())
        if not seen.ranges or stream.ends is not None or self._is_followed(key):
            return None
        at, part = seen.ranges[-1].ends
        interruptions = (one for one in self._breaks[part:] if one.reason == "interrupted")
        # A sequence that was silent before may have just ended
        return at if any(one.latest - at < SILENCE_NS for one in interruptions) else None

    def _is_followed(self, key: SequenceName) -> bool:
        """Whether a stream has a newer epoch."""
        return any(
            other.kind == key.kind and other.name == key.name and other.epoch > key.epoch
            for other in self._seen
        )

    def _began_meanwhile(self, key: SequenceName, begins: Edge) -> bool:
        """Whether a source was started while the recorder was down."""
        if begins.part == 0:
            return False
        last = self._breaks[begins.part - 1]
        return last.reason == "interrupted" and 0 < last.away_from <= key.epoch * MS

    def _with_stream(self, key: SequenceName, gap: Gap) -> Gap:
        """Limit a gap at the beginning or end by the stream's start and end."""
        stream = self._streams.get((key.name, key.epoch))
        if stream is None or key.kind == "Samples":
            return gap
        return gap._replace(before=gap.before or stream.begins, after=gap.after or stream.ends)

    def _explain(self, key: SequenceName, gap: Gap, *, is_live: bool) -> Reason:
        breaks = self._breaks_within(key, gap)
        for reason in ("damaged", "interrupted"):
            if reason in breaks:
                return reason
        stream = self._streams.get((key.name, key.epoch), _Stream())
        if self._is_replay:
            return "replayed"
        is_tail = gap.after is None or gap.after is stream.ends
        if is_tail and stream.end_reason == "stopped":
            return "stopped"
        if is_tail and stream.ends is None and self._is_followed(key):
            return "restarted"
        if not is_live:
            return ""
        is_result = key.kind == "Emotion" and self.has(key._replace(kind="Frame"), gap.first)
        return "unanswered" if is_result else "live"

    def _breaks_within(self, key: SequenceName, gap: Gap) -> set[Reason]:
        """Reasons of the breaks in the file between the neighbours of a gap."""
        if gap.after is None:
            return set()  # as far as is known, the last part is complete
        if gap.before is not None:
            begin = gap.before.part
        else:
            begin = gap.after.part - 1 if self._began_meanwhile(key, gap.after) else gap.after.part
        return {one.reason for one in self._breaks[begin : gap.after.part]}


def compare(
    stated: Iterable[Sequence], tracker: SequenceTracker, *, is_live: bool
) -> list[Sequence]:
    """Compare the recorder's list with what is really in the file.

    Args:
        stated: The sequences listed by the recorder when it finished the file.
        tracker: A tracker of all messages that can be read.
        is_live: As in `SequenceTracker.sequences`.
    """
    found = {one.key: one for one in tracker.sequences(is_live=is_live)}
    for known in stated:
        holes = sorted(_stated_holes(known, tracker), key=_number)
        now = found.get(known.key)
        if now is None:
            found[known.key] = Sequence(
                *known.key, known.first, known.last, holes, known.open_since
            )
            continue
        # The recorder, or another one, may have continued after finishing the file once
        for hole in now.holes:
            holes += [
                hole._replace(first=first, last=last, missing=last - first + 1)
                for first, last in subtract(hole.first, hole.last, [(known.first, known.last)])
            ]
        now.first, now.last = min(now.first, known.first), max(now.last, known.last)
        now.holes = sorted(holes, key=_number)
    return [found[key] for key in sorted(found)]


def _number(hole: Hole) -> int:
    return hole.first


def _stated_holes(known: Sequence, tracker: SequenceTracker) -> Iterator[Hole]:
    """Yield the holes that the recorder knew, and what was lost since then."""
    for hole in known.holes:
        for gap in tracker.missing_of(known.key, hole.first, hole.last):
            yield hole._replace(first=gap.first, last=gap.last, missing=gap.size)
    listed = [(hole.first, hole.last) for hole in known.holes]
    for first, last in subtract(known.first, known.last, listed):
        for gap in tracker.missing_of(known.key, first, last):
            begins_at = gap.before.at if gap.before else None
            ends_at = gap.after.at if gap.after else None
            yield Hole(gap.first, gap.last, gap.size, "gone", begins_at, ends_at)
