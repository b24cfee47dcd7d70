"""The declaration of the replay process."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec

RAW: Final = ("frame/", "bio/", "marker/", "stream/")
"""Prefixes of the topics that a reanalysis publishes: what came from outside."""


class ReplaySettings(ProcessSettings):
    """What to replay, and how."""

    file: Path
    rate: Annotated[float, Field(gt=0)] | None = 1.0
    """Multiple of the recorded speed; None: as fast as it is consumed."""
    loop: bool = False
    begin_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of the recording to skip."""
    topics: tuple[str, ...] = ()
    """Prefixes of the topics to replay; none: all of them."""
    reanalyse: bool = False
    """Run detection, classification and fusion again."""
    paused: bool = False
    """Start paused, at the first frame."""
    consumers: tuple[str, ...] = ()
    """Who must be there before it begins."""

    @property
    def process_name(self) -> str:
        return "replay"

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        return self.model_copy(update={"consumers": names})


SPEC = ServiceSpec(
    kind="replay",
    summary="Publish a recorded session again.",
    settings=ReplaySettings,
    stage="affectline.services.replay.stage:Player",
    role="source",
    restart="never",
    inputs=("control", "emotion", "health", "stream"),
    outputs=(
        "bio",
        "emotion",
        "faces",
        "frame",
        "health",
        "marker",
        "resend",
        "scores",
        "state",
        "stream",
    ),
)
