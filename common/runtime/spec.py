"""Declarations of services, used by supervisor, command line, child processes and docs.

A package under ``services/`` declares its service once, in ``spec.py``, with no heavy imports:

    SPEC = ServiceSpec(
        kind="detector",
        summary="Find and track the faces of one stream.",
        settings=DetectorProcess,
        stage="affectline.services.detector.stage:Detector",
        role="transform",
        inputs=("frame", "resend", "scores"),
        planned=plan_detectors,
    )

and ``services/registry.py`` lists it in one line.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from affectline.common.runtime.service import run_service
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.settings.pipeline import PipelineSettings

Role = Literal["hub", "source", "transform", "worker", "sink", "page"]
"""The function of a process in its pipeline:

``hub``: all others connect to it. ``source``: publishes data of its own accord, and ends with its
material. ``transform``: answers one kind of message with another. ``worker``: does the same from
the work queue, in any number of processes. ``sink``: writes files, and ends when all is written.
``page``: serves people; nothing waits for it.
"""
RestartPolicy = Literal["always", "never"]
"""What happens when a process dies; ``always``: it is restarted; ``never``: the run fails."""
CONSUMERS: Final[tuple[Role, ...]] = ("transform", "worker", "sink")
"""Roles of the processes that sources wait for in lossless delivery."""


class StreamPosition(NamedTuple):
    """The progress of a stream: the first frame that a consumer still needs."""

    epoch: int
    seq: int
    reached: int | None = None
    """Event time of the newest frame that was answered, in ns since the Unix epoch."""
    last_track: int = 0
    """The highest number of a track in the stream so far, in all epochs."""


class RunTimeLine(NamedTuple):
    """A run's time line, for its processes; each has settings for the fields that it needs."""

    session_start: int
    """Its zero, in ns since the Unix epoch."""
    recorded_sources: tuple[str, ...] = ()
    """Services to wait for by watermarks: films and tables, if nothing in the run is live."""
    follows_clock: bool = False
    """True if a source is live: recorded sources then run in real time, on the same time line."""


class ProcessSettings(BaseModel):
    """The settings of one process, sent to it as JSON at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keepers: tuple[str, ...] = ()
    """The run's consumers that send receipts: messages are kept for them from the start."""

    @property
    def process_name(self) -> str:
        """Its name on the bus: the kind, or ``kind/name`` if there can be several."""
        raise NotImplementedError

    @property
    def stream(self) -> str | None:
        """The one stream that it works on; None: not limited to one."""
        return None

    def with_keepers(self, names: tuple[str, ...]) -> Self:
        """Return a copy with the run's consumers that send receipts."""
        return self.model_copy(update={"keepers": names})

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        """Return a copy with the consumers to wait for (sources and the hub)."""
        return self

    @property
    def calendar_start(self) -> int | None:
        """When its material begins, in ns since the Unix epoch, if the material has a date.

        None if it begins with the session: cameras, sensors, and material without a date.

        Raises:
            AffectlineError: The material cannot be read.
        """
        return None

    @property
    def is_recorded_source(self) -> bool:
        """Whether it is a source with recorded times: a film or a table.

        Such sources publish a `Watermark`; processes that combine sources wait for them.
        """
        return False

    def with_time_line(self, time_line: RunTimeLine) -> Self:
        """Return a copy with the facts of the time line that it has fields for."""
        known = {k: v for k, v in time_line._asdict().items() if k in type(self).model_fields}
        return self.model_copy(update=known) if known else self

    def resumed(self, position: StreamPosition | None, now: int) -> Self:
        """The settings of the process that replaces this one after it died.

        Args:
            position: The progress of its stream; None: no frame was answered.
            now: The present, in ns since the Unix epoch.
        """
        return self


@dataclass(frozen=True)
class Run:
    """The run that processes are planned for."""

    settings: PipelineSettings
    """The complete settings, with sources, delivery, pace and session folder."""
    replay: Literal["as recorded", "reanalysed"] | None = None
    """How a recording is replayed as the only source; None: it is not a replay."""
    session_start: int | None = None
    """Zero of the session's time line in ns since the Unix epoch, if known beforehand: that of the
    recording. None: the earliest date of a source, or the time of the start."""
    measured: frozenset[str] = frozenset()
    """The people whom the sensors of a replayed recording name."""
    origin: dict[str, Any] = field(default_factory=dict)
    """Facts about the session that are those of a replayed recording, such as its participant."""

    @property
    def about(self) -> dict[str, Any]:
        """Facts about the session, for its files."""
        return self.settings.describe() | self.origin

    @property
    def has_fusion(self) -> bool:
        """Whether states are estimated: people are measured, or a recording is reanalysed."""
        if self.replay is not None:
            return self.replay == "reanalysed"
        return self.has_sensors or self.measures_faces

    @property
    def measures_faces(self) -> bool:
        """Whether heads or eyes are measured over time; folders of pictures do not allow that."""
        detector = self.settings.detector
        looks = detector.mesh and (detector.pose or detector.eyes)
        return looks and any(source.kind != "pictures" for source in self.settings.sources)

    @property
    def has_sensors(self) -> bool:
        return bool(self.settings.biometrics)


@dataclass(frozen=True)
class Argument:
    """A positional argument of a service's command."""

    help: str


@dataclass(frozen=True)
class Flag:
    """An option of a service's command."""

    help: str
    minimum: int | None = None
    maximum: int | None = None
    default: str | None = None
    """Shown in the help instead of the parameter's own default."""
    old_name: str | None = None
    """An older spelling that is still accepted, such as ``--answer``."""
    parse: Callable[[str], Any] | None = None
    """Parses the option's text, if its type alone does not define how."""
    metavar: str | None = None
    """Placeholder for the value in the help."""
    hidden: bool = False
    """An older option that is still accepted, but not shown."""


TlsFlag = Annotated[bool, Flag("Encrypt with --certificate, or with a generated one.")]
CertificateFlag = Annotated[
    Path | None, Flag("Certificate to encrypt with, in PEM.", metavar="FILE")
]
PrivateKeyFlag = Annotated[
    Path | None, Flag("Private key of the certificate, if in another file.", metavar="FILE")
]

Configure = Callable[..., ProcessSettings]
"""Makes the settings of a process from those of a pipeline, the delivery and further parameters.

The further parameters are annotated with `Argument` or `Flag` and become those of the command.
"""


@dataclass(frozen=True)
class ServiceSpec:
    """One kind of process."""

    kind: str
    summary: str
    """What it does, in one sentence: the help of its command."""
    settings: type[ProcessSettings]
    stage: str
    """``module:Class``, imported in its own process only; called with the settings alone."""
    role: Role
    restart: RestartPolicy = "always"
    inputs: tuple[str, ...] = ()
    """Prefixes of the topics that it consumes, as its handlers declare."""
    outputs: tuple[str, ...] = ()
    """Prefixes of the topics that it publishes."""
    delivery: Delivery | None = None
    """Its own delivery, if different from the pipeline's."""
    planned: Callable[[Run], Iterable[ProcessSettings]] = lambda _: ()
    """Returns the processes of this service in a run."""
    optional: bool = False
    """Whether one process runs if the settings file names this kind below ``services:``."""
    configure: Configure | None = None
    """Makes the settings for its command; None: it has no command, or one of its own."""
    example: str = ""
    """An example command line for the help."""

    def processes(self, run: Run) -> Iterable[ProcessSettings]:
        """The processes of this service in a run."""
        yield from self.planned(run)
        if self.optional and self.kind in run.settings.services:
            hub = {"hub": run.settings.hub} if "hub" in self.settings.model_fields else {}
            yield self.settings.model_validate(run.settings.services[self.kind] | hub)

    def run(self, settings: ProcessSettings, hub: HubSettings, delivery: Delivery) -> int:
        """Run as such a process; return the exit code."""
        module, _, name = self.stage.partition(":")
        made = getattr(import_module(module), name)
        if self.role == "hub":
            code: int = made(settings, hub, delivery).run()
            return code
        name, delivery = settings.process_name, self.delivery or delivery
        return run_service(made(settings), name, hub, delivery, settings.keepers)
