"""Settings of recordings: what they contain, and how long they are kept."""

from typing import Annotated, Final

from pydantic import Field

from affectline.common.settings.choices import Privacy as Privacy
from affectline.common.settings.model import Settings

PRIVACIES: Final[tuple[Privacy, ...]] = ("everything", "blurred", "features")
"""In order, from what keeps the most."""


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
    """Remove sessions from the sessions folder, when ``up`` or the page starts, if they were last
    written longer ago than this; None: remove none."""
    keep_tables: bool = False
    """Keep their tables and ``session.json``."""
