"""The service spec of the replay process."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field

from affectline.common.runtime.spec import ProcessSettings, ServiceSpec
from affectline.common.wire.kinds import message_kinds, prefixes, recorded_kinds
from affectline.common.wire.watermark import Watermark

RAW: Final = tuple(
    f"{prefix}/" for prefix in prefixes(tuple(k for k in message_kinds().values() if k.is_input))
)
"""Prefixes of the topics that a reanalysis publishes: input from outside the pipeline."""


class ReplaySettings(ProcessSettings):
    """What to replay, and how."""

    file: Path
    rate: Annotated[float, Field(gt=0)] | None = 1.0
    """Multiple of the original speed; None: as fast as it is consumed."""
    loop: bool = False
    begin_s: Annotated[float, Field(ge=0)] = 0.0
    """Where to begin, in seconds of the recording's time line; 0: at the first message."""
    topics: tuple[str, ...] = ()
    """Prefixes of the topics to replay; none: all topics."""
    reanalyse: bool = False
    """Run detection, classification and fusion again."""
    paused: bool = False
    """Start paused, at the first frame."""
    consumers: tuple[str, ...] = ()
    """Consumers that must be ready before it begins."""
    session_start: int | None = None
    """Zero of the recording's time line in ns since the Unix epoch."""

    @property
    def process_name(self) -> str:
        return "replay"

    @property
    def is_recorded_source(self) -> bool:
        return True

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        return self.model_copy(update={"consumers": names})


SPEC = ServiceSpec(
    kind="replay",
    summary="Publish a recorded session again.",
    settings=ReplaySettings,
    stage="affectline.services.replay.stage:Player",
    role="source",
    restart="never",
    inputs=("control", "emotion", "health", "kept", "stream"),
    outputs=prefixes((*recorded_kinds(), Watermark)),
)
