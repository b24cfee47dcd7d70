"""What a recorder says about its own file: notes in it, as metadata records.

An MCAP metadata record stands between chunks, so any tool can read it and none stumbles over it.
Those of ours hold JSON under the key ``json``, as the one about the session does:

* `NOTE`: something happened while the file was written; there may be several.
* `CONTENT`: at the end of the file, what is in it and what it lacks (`common.recording.holes`).
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeGuard

from mcap.records import Metadata

from affectline.common.json_text import parse_json

NOTE: Final = "affectline.note"
"""Name of a metadata record that tells of an event: ``kind``, and more by kind."""
CONTENT: Final = "affectline.content"
"""Name of the metadata record about what a file holds and lacks."""
NOTES_VERSION: Final = 1
"""Of both, as ``notes`` in the record about the session; recordings from before have none."""

NoteKind = Literal["begun", "interrupted", "clock"]
"""``begun``: a recorder began the file. ``interrupted``: another one continues it: ``since``
(log time of the last message before) and ``away_from`` (by the clock), in ns since the Unix epoch.

Both have ``at`` (now, by the clock), ``ahead`` (that, less the time since the machine was started)
and ``boot`` (which start that was), by which a clock that is set between the two is seen.
``clock``: the clock was set: ``before`` (what it would have shown) and ``after`` (what it did)."""


def is_number(value: Any) -> TypeGuard[int]:
    """Whether this is a whole number of 64 bits, as all of ours are: JSON has them of any size."""
    return type(value) is int and -(2**63) <= value < 2**63


class FileNote(NamedTuple):
    """A note in a file."""

    name: str
    """`NOTE` or `CONTENT`."""
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it tells, a `NoteKind`; empty where it is no `NOTE`."""
        return str(self.fields.get("kind", "")) if self.name == NOTE else ""

    def number(self, name: str) -> int | None:
        """A field that is a whole number; None where it is missing, or something else."""
        value = self.fields.get(name)
        return value if is_number(value) else None


def to_record(name: str, fields: Mapping[str, Any]) -> Metadata:
    """The metadata record of a note."""
    return Metadata(name, {"json": json.dumps(fields, separators=(",", ":"))})


def parse_note(name: str, content: Mapping[str, str]) -> FileNote | None:
    """The note of a metadata record; None where it is something else, or damaged."""
    if name not in (NOTE, CONTENT):
        return None
    try:
        fields = parse_json(content.get("json", ""))
    except ValueError:
        return None
    return FileNote(name, fields) if isinstance(fields, dict) else None
