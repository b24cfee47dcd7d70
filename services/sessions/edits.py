"""Edits of a session made afterwards: annotations, excluded parts, markers, faces.

They are stored beside the session in ``edits.json``; recordings and tables never change.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.common.json_text import parse_json

FILE: Final = "edits.json"
LABEL_MAX: Final = 1000
Text = Annotated[str, Field(min_length=1, max_length=LABEL_MAX)]
Seconds = Annotated[float, Field(ge=-604_800, le=604_800)]


class Annotation(BaseModel):
    """A labelled part of a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin_s: Seconds
    """Start in seconds from the session's start."""
    end_s: Seconds
    """End, exclusive."""
    label: Text
    is_excluded: bool = False
    """Exclude this part from studies."""

    @model_validator(mode="after")
    def _has_duration(self) -> "Annotation":
        if self.end_s <= self.begin_s:
            raise ValueError(f"it ends at {self.end_s:g} s but begins at {self.begin_s:g} s")
        return self


class RecordedMarker(BaseModel):
    """A marker as recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[int, Field(ge=0, lt=2**63)]
    """Exact time in ns since the Unix epoch."""
    label: Text
    session: Name = "session"
    source: Annotated[str, Field(max_length=LABEL_MAX)] = ""
    extra: dict[str, JsonValue] = Field(default_factory=dict)


class EditedMarker(BaseModel):
    """A marker after an edit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_s: Seconds
    """Seconds from the session's start."""
    label: Text


class MarkerEdit(BaseModel):
    """The edit of one marker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recorded: RecordedMarker | None = None
    """The marker as recorded; None if it was added afterwards."""
    now: EditedMarker | None = None
    """The marker after the edit; None if it was deleted."""

    @model_validator(mode="after")
    def _says_something(self) -> "MarkerEdit":
        if self.recorded is None and self.now is None:
            raise ValueError("a marker that does not exist cannot be deleted")
        return self


class TrackEdit(BaseModel):
    """The edit of one track."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: Text
    track: Annotated[int, Field(ge=1)]
    merged_into: Annotated[int, Field(ge=1)] | None = None
    """An earlier or later track of the same face."""
    name: Text | None = None
    """Name of the person."""


class SessionEdits(BaseModel):
    """All edits of a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1, 2] = 1
    """2 if markers were edited, which earlier versions of Affectline would ignore."""
    annotations: tuple[Annotation, ...] = ()
    """Sorted by start."""
    tracks: tuple[TrackEdit, ...] = ()
    markers: tuple[MarkerEdit, ...] = ()
    """Only markers that differ from the recording."""

    @property
    def excluded(self) -> tuple[tuple[float, float], ...]:
        """The parts that studies exclude, as (begin, end) in s."""
        return tuple((one.begin_s, one.end_s) for one in self.annotations if one.is_excluded)

    def track_of(self, stream: str, track: int) -> int:
        """The track that a face counts as, after following all merges."""
        seen = {track}
        while (edit := self._find(stream, track)) and edit.merged_into is not None:
            track = edit.merged_into
            if track in seen:  # two tracks were merged into each other
                break
            seen.add(track)
        return track

    def name_of(self, stream: str, track: int) -> str | None:
        """Name of the person in a track, if one was entered."""
        edit = self._find(stream, self.track_of(stream, track))
        return edit.name if edit else None

    def annotated(self, annotation: Annotation) -> "SessionEdits":
        """A copy with one more annotation; a duplicate is kept once."""
        others = tuple(one for one in self.annotations if one != annotation)
        ordered = sorted((*others, annotation), key=lambda one: (one.begin_s, one.end_s))
        return self.model_copy(update={"annotations": tuple(ordered)})

    def without(self, number: int) -> "SessionEdits":
        """A copy without one of the annotations.

        Args:
            number: Position of the annotation, from 1.
        """
        kept = (*self.annotations[: number - 1], *self.annotations[number:])
        return self.model_copy(update={"annotations": kept})

    def replaced(self, before: Annotation, after: Annotation) -> "SessionEdits":
        """A copy with one annotation replaced; the old one may already be gone."""
        others = tuple(one for one in self.annotations if one != before)
        return self.model_copy(update={"annotations": others}).annotated(after)

    def with_marker(
        self, edit: MarkerEdit | None, before: MarkerEdit | None = None
    ) -> "SessionEdits":
        """A copy with one marker edited.

        Args:
            edit: The edit; None undoes the previous edit.
            before: The marker's previous edit, if any.
        """
        others = [one for one in self.markers if one not in (before, edit)]
        if edit is not None and edit.recorded is not None:
            others = [one for one in others if one.recorded != edit.recorded]
        kept = (*others, edit) if edit is not None else tuple(others)
        return self.model_copy(update={"markers": kept, "version": 2 if kept else 1})

    @property
    def marker_changes(self) -> dict[str, int]:
        """Number of markers added, changed and deleted afterwards."""
        return {
            "added": sum(one.recorded is None for one in self.markers),
            "changed": sum(None not in (one.recorded, one.now) for one in self.markers),
            "deleted": sum(one.now is None for one in self.markers),
        }

    def with_track(self, edit: TrackEdit) -> "SessionEdits":
        """A copy with the edit of one track replaced."""
        others = tuple(
            one for one in self.tracks if (one.stream, one.track) != (edit.stream, edit.track)
        )
        is_empty = edit.merged_into is None and edit.name is None
        return self.model_copy(update={"tracks": others if is_empty else (*others, edit)})

    def _find(self, stream: str, track: int) -> TrackEdit | None:
        return next((e for e in self.tracks if (e.stream, e.track) == (stream, track)), None)


def read_edits(folder: Path) -> SessionEdits:
    """Read the edits of a session; without a file there are none.

    Raises:
        AffectlineError: The file cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return SessionEdits()
    try:
        return SessionEdits.model_validate(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise AffectlineError(
            f"{path}: cannot be read", "correct the file, or move it away and annotate again"
        ) from error


def write_edits(folder: Path, edits: SessionEdits) -> None:
    """Write the edits of a session, replacing the previous ones.

    Raises:
        OSError: The file cannot be written.
    """
    path = folder / FILE
    with file_access.as_the_session(path):
        atomic_file.write_text(path, edits.model_dump_json(indent=1) + "\n")
