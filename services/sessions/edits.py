"""What people say of a session afterwards: annotations, parts to leave out, markers, faces.

Kept beside the session in ``edits.json``; recordings and tables are never changed.
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
    """A part of a session, and what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin_s: Seconds
    """In seconds from the session's start."""
    end_s: Seconds
    """Its end, which is not part of it."""
    label: Text
    is_excluded: bool = False
    """Exclude this part from studies."""

    @model_validator(mode="after")
    def _has_duration(self) -> "Annotation":
        if self.end_s <= self.begin_s:
            raise ValueError(f"it ends at {self.end_s:g} s, and begins at {self.begin_s:g} s")
        return self


class RecordedMarker(BaseModel):
    """A marker as it was recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[int, Field(ge=0, lt=2**63)]
    """In ns since the Unix epoch, exactly."""
    label: Text
    session: Name = "session"
    source: Annotated[str, Field(max_length=LABEL_MAX)] = ""
    extra: dict[str, JsonValue] = Field(default_factory=dict)


class EditedMarker(BaseModel):
    """A marker as it is now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_s: Seconds
    """In seconds from the session's start."""
    label: Text


class MarkerEdit(BaseModel):
    """What was done to one marker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recorded: RecordedMarker | None = None
    """As it was; None: it was added afterwards."""
    now: EditedMarker | None = None
    """None: it was deleted."""

    @model_validator(mode="after")
    def _says_something(self) -> "MarkerEdit":
        if self.recorded is None and self.now is None:
            raise ValueError("a marker that does not exist cannot be deleted")
        return self


class TrackEdit(BaseModel):
    """What is said of one track."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: Text
    track: Annotated[int, Field(ge=1)]
    merged_into: Annotated[int, Field(ge=1)] | None = None
    """The track of the same face from before, or later."""
    name: Text | None = None
    """Whose face it is."""


class SessionEdits(BaseModel):
    """All that was said of a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1, 2] = 1
    """2: markers were edited, which earlier versions of Affectline would not see."""
    annotations: tuple[Annotation, ...] = ()
    """In the order of their beginnings."""
    tracks: tuple[TrackEdit, ...] = ()
    markers: tuple[MarkerEdit, ...] = ()
    """Those that are not as they were recorded."""

    @property
    def excluded(self) -> tuple[tuple[float, float], ...]:
        """The parts that studies leave out, as (begin, end) in s."""
        return tuple((one.begin_s, one.end_s) for one in self.annotations if one.is_excluded)

    def track_of(self, stream: str, track: int) -> int:
        """The track that a face counts as, merges followed to their end."""
        seen = {track}
        while (edit := self._find(stream, track)) and edit.merged_into is not None:
            track = edit.merged_into
            if track in seen:  # two that were merged into each other
                break
            seen.add(track)
        return track

    def name_of(self, stream: str, track: int) -> str | None:
        """Whose face a track is, where somebody has said so."""
        edit = self._find(stream, self.track_of(stream, track))
        return edit.name if edit else None

    def annotated(self, annotation: Annotation) -> "SessionEdits":
        """The same, with one annotation more; a repeated one stands once."""
        others = tuple(one for one in self.annotations if one != annotation)
        ordered = sorted((*others, annotation), key=lambda one: (one.begin_s, one.end_s))
        return self.model_copy(update={"annotations": tuple(ordered)})

    def without(self, number: int) -> "SessionEdits":
        """The same, without one of the annotations.

        Args:
            number: Its place, from 1.
        """
        kept = (*self.annotations[: number - 1], *self.annotations[number:])
        return self.model_copy(update={"annotations": kept})

    def replaced(self, before: Annotation, after: Annotation) -> "SessionEdits":
        """The same, with an annotation in place of another, which need not be there any more."""
        others = tuple(one for one in self.annotations if one != before)
        return self.model_copy(update={"annotations": others}).annotated(after)

    def with_marker(
        self, edit: MarkerEdit | None, before: MarkerEdit | None = None
    ) -> "SessionEdits":
        """The same, with something done to a marker.

        Args:
            edit: What; None: take back what was done before.
            before: What was done to it before, if anything.
        """
        others = [one for one in self.markers if one not in (before, edit)]
        if edit is not None and edit.recorded is not None:
            others = [one for one in others if one.recorded != edit.recorded]
        kept = (*others, edit) if edit is not None else tuple(others)
        return self.model_copy(update={"markers": kept, "version": 2 if kept else 1})

    @property
    def marker_changes(self) -> dict[str, int]:
        """How many markers were added, changed and deleted afterwards."""
        return {
            "added": sum(one.recorded is None for one in self.markers),
            "changed": sum(None not in (one.recorded, one.now) for one in self.markers),
            "deleted": sum(one.now is None for one in self.markers),
        }

    def with_track(self, edit: TrackEdit) -> "SessionEdits":
        """The same, with something said of a track in place of what was."""
        others = tuple(
            one for one in self.tracks if (one.stream, one.track) != (edit.stream, edit.track)
        )
        is_empty = edit.merged_into is None and edit.name is None
        return self.model_copy(update={"tracks": others if is_empty else (*others, edit)})

    def _find(self, stream: str, track: int) -> TrackEdit | None:
        return next((e for e in self.tracks if (e.stream, e.track) == (stream, track)), None)


def read_edits(folder: Path) -> SessionEdits:
    """What was said of a session; nothing where there is no such file.

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
            f"{path}: cannot be read", "correct it, or move it away and annotate again"
        ) from error


def write_edits(folder: Path, edits: SessionEdits) -> None:
    """Keep what is said of a session, in place of what was.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / FILE
    with file_access.as_the_session(path):
        atomic_file.write_text(path, edits.model_dump_json(indent=1) + "\n")
