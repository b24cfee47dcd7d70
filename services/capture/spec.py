"""The service spec of the capture process."""

from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Final, Self

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.spec import (
    Argument,
    Flag,
    ProcessSettings,
    Run,
    ServiceSpec,
    StreamPosition,
)
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.source_kind import is_pipe, with_own_stdin
from affectline.common.settings.sources import (
    CaptureSettings,
    Pace,
    SourceSettings,
    begins_at,
    choose_source,
)

CREATION_TIME: Final = "affectline.services.capture.creation_time"


class CaptureProcess(ProcessSettings):
    """Settings of one capture process."""

    source: SourceSettings
    """What to read, and the stream's name."""
    settings: CaptureSettings = CaptureSettings()
    pace: Pace = "realtime"
    """Whether films are read at their own rate."""
    rate: float = 1.0
    """Multiple of that rate."""
    session_start: int | None = None
    """Zero of the session's time line in ns since the Unix epoch; None: the time of the start."""
    recorded_sources: tuple[str, ...] = ()
    """Lossless delivery: films and tables with which this source keeps in step."""
    follows_clock: bool = False
    """Pace realtime: frames of a film are due by the clock, instead of relative to the first one,
    because something else in the run is live."""
    begins_at: int | None = None
    """Where a looped film resumes, in ns since the Unix epoch, when a process that died is
    replaced."""
    duration: float | None = None
    """Seconds of the session's time line after which reading a film stops."""
    epoch: int | None = None
    """Epoch of the frames; None: the time of the start."""
    first_seq: int = 0
    """The first unanswered frame, when a process that died is replaced."""
    patient: bool = False
    """Whether to wait for a camera that is not available yet."""
    consumers: tuple[str, ...] = ("classifier", "sink")
    """Consumers that lossless delivery needs, besides the stream's own detector."""

    @property
    def process_name(self) -> str:
        return f"capture/{self.source.name}"

    @property
    def stream(self) -> str:
        return self.source.name

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        # A stream always waits for its own detector, and never for those of other streams
        kinds = dict.fromkeys(name.split("/")[0] for name in names)
        others = tuple(kind for kind in kinds if kind != "detector")
        return self.model_copy(update={"consumers": others})

    @property
    def is_recorded_source(self) -> bool:
        return self.source.kind in ("film", "pictures")

    @property
    def calendar_start(self) -> int | None:
        start = self.source.start
        if start is None:
            return None
        if self.source.kind in ("camera", "stream"):
            raise AffectlineError(
                f"sources: {self.source.name}: start: only films can have a start date",
                "leave it out: a camera's frames get the time at which they arrive",
            )
        if start == "file":
            # Imported only when needed: it loads the library that reads films
            made_at = import_module(CREATION_TIME).read_creation_time(self.source.address)
            return begins_at(self.source, made_at)
        return begins_at(self.source, 0)

    def resumed(self, position: StreamPosition | None, now: int) -> Self:
        epoch, first_seq, reached, _ = position or StreamPosition(self.epoch or 0, 0)
        source = self.source.source
        if self.source.is_live or is_pipe(source) or self.source.loop:
            # New frames need a new epoch, even if the clock was set back
            epoch, first_seq = max(now // 1_000_000, epoch + 1), 0
        changes = {"epoch": epoch, "first_seq": first_seq, "patient": True}
        if self.source.loop and reached is not None:
            changes["begins_at"] = reached + 1  # after what was published: time never goes back
        return self.model_copy(update=changes)


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    source: Annotated[
        str, Argument("As in affectline up --source, or the name of a source in the settings.")
    ] = "sample",
    pace: Annotated[Pace | None, Flag("As in affectline up.")] = None,
    loop: Annotated[bool, Flag("Start a file again at its end.")] = False,
) -> CaptureProcess:
    """Settings for ``affectline capture``."""
    named = choose_source(source, pipeline.sources)
    default: Pace = "realtime" if delivery == "live" else "fast"
    others = ("fusion",) if pipeline.biometrics else ()
    recorder = ("recorder",) if pipeline.recording.record else ()
    return CaptureProcess(
        source=named.model_copy(update={"loop": loop or named.loop}),
        settings=pipeline.capture,
        pace=pace or pipeline.pace or default,
        consumers=("classifier", "sink", *others, *recorder),
    )


def planned(run: Run) -> Iterator[CaptureProcess]:
    """One for each source; none when a recording is replayed."""
    if run.replay:
        return
    for source in run.settings.sources:
        yield CaptureProcess(
            source=source.model_copy(update={"source": with_own_stdin(source.source)}),
            settings=run.settings.capture,
            pace=run.settings.pace or "realtime",
            rate=run.settings.rate,
            duration=run.settings.duration,
            epoch=now_ns() // 1_000_000,
        )


SPEC = ServiceSpec(
    kind="capture",
    summary="Publish the frames of one source.",
    settings=CaptureProcess,
    stage="affectline.services.capture.stage:Capture",
    role="source",
    inputs=("emotion", "kept", "stream", "watermark"),
    outputs=("frame", "stream", "watermark"),
    planned=planned,
    configure=configure,
    example="affectline capture driver=0 --hub 192.168.1.20",
)
