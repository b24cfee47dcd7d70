"""What is recorded of a session."""

from typing import Final, Literal

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
