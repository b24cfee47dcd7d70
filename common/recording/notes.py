"""A recorder's notes about its own file, as metadata records.

An MCAP metadata record is between chunks, so any tool can read it, and none has trouble with it.
Affectline's records have JSON under the key ``json``, like the one about the session:

* `NOTE`: an event while the file was written; there may be several.
* `CONTENT`: at the end of the file, what it contains and lacks (`common.recording.holes`).
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeGuard

from mcap.records import Metadata

from affectline.common.json_text import parse_json

NOTE: Final = "affectline.note"
"""Name of a metadata record about an event: ``kind``, and further fields by kind."""
CONTENT: Final = "affectline.content"
"""Name of the metadata record about what a file contains and lacks."""
NOTES_VERSION: Final = 1
"""Version of both, as ``notes`` in the record about the session; older recordings have none."""

NoteKind = Literal["begun", "interrupted", "clock", "full"]
"""``begun``: a recorder began the file. ``interrupted``: another one continues it, with ``since``
(log time of the last message before) and ``away_from`` (by the clock), in ns since the Unix epoch.

Both have ``at`` (the present, by the clock), ``ahead`` (that minus the time since the machine was
started) and ``boot`` (an identifier of that start), which reveal a clock set between the two.
``clock``: the clock was set, with ``before`` (what it would have shown) and ``after`` (what it
showed). ``full``: the disk was full, so the recording ends here."""


def is_number(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number of 64 bits, as JSON may have larger ones."""
    return type(value) is int and -(2**63) <= value < 2**63


class FileNote(NamedTuple):
    """A note in a file."""

    name: str
    """`NOTE` or `CONTENT`."""
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        """Its `NoteKind`; empty if it is not a `NOTE`."""
        return str(self.fields.get("kind", "")) if self.name == NOTE else ""

    def number(self, name: str) -> int | None:
        """The value of a field; None if it is missing, or not a whole number."""
        value = self.fields.get(name)
        return value if is_number(value) else None


def to_record(name: str, fields: Mapping[str, Any]) -> Metadata:
    """The metadata record of a note."""
    return Metadata(name, {"json": json.dumps(fields, separators=(",", ":"))})


def parse_note(name: str, content: Mapping[str, str]) -> FileNote | None:
    """The note in a metadata record; None if it is something else, or damaged."""
    if name not in (NOTE, CONTENT):
        return None
    try:
        fields = parse_json(content.get("json", ""))
    except ValueError:
        return None
    return FileNote(name, fields) if isinstance(fields, dict) else None
