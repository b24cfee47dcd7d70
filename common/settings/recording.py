"""What is recorded of a session."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Privacy = Literal["everything", "blurred", "features"]
"""``everything``: the frames as they are. ``blurred``: the faces in them pixelated beyond
recognition. ``features``: no image at all, only what was computed from them."""
PRIVACIES: Final[tuple[Privacy, ...]] = ("everything", "blurred", "features")
"""What keeps the most comes first."""


class RecordingSettings(BaseModel):
    """Whether a session is recorded, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: bool = False
    """Write ``session.mcap`` into the session folder."""
    privacy: Privacy = "everything"
    report: bool = False
    """Write ``report.html`` at the end of the run."""


class RetentionSettings(BaseModel):
    """How long sessions are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """Sessions in the folder of the sessions that were last written longer ago are removed when
    ``up`` or the page begins; None: none is."""
    keep_tables: bool = False
    """Their tables and ``session.json`` stay."""
