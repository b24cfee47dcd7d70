"""What is recorded of a session."""

from typing import Annotated, Final, Literal

from pydantic import Field

from affectline.common.settings.model import Settings

Privacy = Literal["everything", "blurred", "features"]
"""``everything``: the frames as they are. ``blurred``: the faces in them pixelated beyond
recognition. ``features``: no image at all, only what was computed from them."""
PRIVACIES: Final[tuple[Privacy, ...]] = ("everything", "blurred", "features")
"""What keeps the most comes first."""


class RecordingSettings(Settings):
    """Whether a session is recorded, and how much of it."""

    record: bool = False
    """Write ``session.mcap`` into the session folder."""
    privacy: Privacy = "everything"
    report: bool = False
    """Write ``report.html`` at the end of the run."""


class RetentionSettings(Settings):
    """How long sessions are kept."""

    days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """Sessions in the sessions folder that were last written longer ago are removed when ``up`` or
    the page starts; None: no session is removed."""
    keep_tables: bool = False
    """Their tables and ``session.json`` stay."""
