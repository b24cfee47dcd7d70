"""The service spec of the sink process."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from affectline.common.errors import AffectlineError
from affectline.common.runtime.spec import Flag, ProcessSettings, Run, ServiceSpec
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import Display, PipelineSettings
from affectline.common.settings.recording import Privacy


class SinkProcess(ProcessSettings):
    """Settings of the sink process."""

    folder: Path
    """The session folder."""
    expected: tuple[str, ...] = ()
    """The session ends when all these streams have ended; none: it continues until stopped."""
    display: Display = "none"
    """Where to show the overlay."""
    stats: bool = False
    """Also show the pipeline's rate and latency in the overlay."""
    privacy: Privacy = "everything"
    """What the films and snapshots in the folder may show."""
    about: dict[str, Any] = Field(default_factory=dict)
    """Other contents of ``session.json``."""
    has_fusion: bool = False
    """Fusion estimates states: wait for the last one."""
    recorded_sources: tuple[str, ...] = ()
    """Films and tables whose watermarks the sink waits for."""
    replayed: bool = False
    """The session ends with the last message of a replay instead."""
    session_start: int | None = None
    """Zero of the session's time line, in ns since the Unix epoch; None: set by the first
    stream."""

    @property
    def process_name(self) -> str:
        return "sink"


def choose_display(settings: PipelineSettings) -> Display:
    """Where the sink itself shows the overlay.

    Raises:
        AffectlineError: It would write a film of people into a session without images.
    """
    shown: Display = settings.sink.display or "none"
    if shown == "mp4" and settings.recording.privacy == "features":
        raise AffectlineError(
            "--display mp4: a film shows faces, but --privacy features keeps no images",
            "use --privacy blurred, or watch with --display window or browser",
        )
    return "none" if shown == "browser" else shown  # the dashboard is a separate process


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    out: Annotated[Path | None, Flag("The session folder.", default="sessions/<time>")] = None,
    display: Annotated[Display | None, Flag("As in affectline up.")] = None,
    stats: Annotated[bool, Flag("As in affectline up.")] = False,
) -> SinkProcess:
    """Settings for ``affectline sink``."""
    folder = out or pipeline.sink.out or Path("sessions") / time.strftime("%Y%m%d-%H%M%S")
    sink = pipeline.sink.model_copy(update={"display": display or pipeline.sink.display})
    return SinkProcess(
        folder=folder,
        display=choose_display(pipeline.model_copy(update={"sink": sink})),
        stats=stats or sink.stats,
        privacy=pipeline.recording.privacy,
        about=pipeline.model_copy(update={"delivery": delivery}).describe(),
    )


def planned(run: Run) -> Iterator[SinkProcess]:
    """One if a session is written."""
    settings = run.settings
    if settings.sink.out is None:
        return
    replayed = run.replay == "as recorded"
    yield SinkProcess(
        folder=settings.sink.out,
        # In a recording, signals may continue after a stream's end, and streams may begin again
        expected=() if replayed else tuple(source.name for source in settings.sources),
        display=choose_display(settings),
        stats=settings.sink.stats,
        privacy=settings.recording.privacy,
        about=run.about,
        replayed=replayed,
        has_fusion=run.has_fusion,
    )


SPEC = ServiceSpec(
    kind="sink",
    summary="Write the emotion timeline of all streams, and show it.",
    settings=SinkProcess,
    stage="affectline.services.sink.stage:Sink",
    role="sink",
    inputs=("bio", "emotion", "frame", "health", "marker", "state", "stream", "watermark"),
    outputs=("control", "kept", "marker", "resend", "stream"),
    planned=planned,
    configure=configure,
    example="affectline sink --hub 192.168.1.20 --out sessions/today",
)
