"""The service spec of the detector process."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field

from affectline.common.runtime.spec import (
    Argument,
    ProcessSettings,
    Run,
    ServiceSpec,
    StreamPosition,
)
from affectline.common.settings.detector import DetectorSettings, default_detector
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings


class DetectorProcess(ProcessSettings):
    """Settings of one detector process."""

    name: str
    """The stream in which it finds faces."""
    settings: DetectorSettings = Field(default_factory=default_detector)
    last_track: int = 0
    """The highest track number of the stream so far, when a process that died is replaced."""

    @property
    def process_name(self) -> str:
        return f"detector/{self.name}"

    @property
    def stream(self) -> str:
        return self.name

    def resumed(self, position: StreamPosition | None, now: int) -> Self:
        last_track = position.last_track if position else self.last_track
        return self.model_copy(update={"last_track": last_track})


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    stream: Annotated[str, Argument("Name of the stream to look for faces in.")] = "sample",
) -> DetectorProcess:
    """Settings for ``affectline detector``."""
    return DetectorProcess(name=stream, settings=pipeline.detector)


def planned(run: Run) -> Iterator[DetectorProcess]:
    """One for each stream whose frames are analysed."""
    if run.replay == "as recorded":
        return
    for source in run.settings.sources:
        yield DetectorProcess(name=source.name, settings=run.settings.detector)


SPEC = ServiceSpec(
    kind="detector",
    summary="Find and track the faces of one stream.",
    settings=DetectorProcess,
    stage="affectline.services.detector.stage:Detector",
    role="transform",
    inputs=("frame", "resend", "scores"),
    outputs=("emotion", "faces"),
    planned=planned,
    configure=configure,
    example="affectline detector driver --hub 192.168.1.20",
)
