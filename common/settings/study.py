"""A session's place in a study: participant, session, task, run and condition."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints, field_validator

from affectline.common.identifiers import Name
from affectline.common.settings.model import Settings

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
STUDY_FIELDS: Final = ("participant", "session", "task", "run", "condition")
"""The fields used by studies and exports, in their order."""


class StudySettings(Settings):
    """The session's place in a study. All values are texts, such as ``"07"``, not 7."""

    participant: Label | None = None
    """Participant: a code, never a name."""
    session: Label | None = None
    """Session: which of the participant's sessions, such as ``pre`` or ``2``."""
    task: Label | None = None
    run: Label | None = None
    """Run: the repetition of the task."""
    condition: Label | None = None
    fields: dict[Name, Text] = Field(default_factory=dict)
    """Further fields of the study, under their own names."""

    @field_validator("fields")
    @classmethod
    def _names_are_free(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in STUDY_FIELDS:
            if name in fields:
                raise ValueError(f"{name} is a built-in field: set it beside fields, not in it")
        return fields

    def flat(self) -> dict[str, str]:
        """The fields that are set, by name: the five built-in ones, then the study's own."""
        five = {name: getattr(self, name) for name in STUDY_FIELDS}
        return {name: text for name, text in five.items() if text is not None} | self.fields
