"""The declaration of a service: what supervisor, command line, child process and docs go by.

A room under ``services/`` declares its service once, in ``spec.py``, which imports nothing heavy:

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
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from affectline.common.runtime.service import run_service
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.settings.pipeline import PipelineSettings

Role = Literal["hub", "source", "transform", "worker", "sink", "page"]
"""What a process is for the others of its pipeline:

``hub``: what all connect to. ``source``: publishes what nobody asked for, and ends with its
material. ``transform``: answers one kind of message with another. ``worker``: the same from the
work queue, any number of them. ``sink``: writes, and ends when all is written. ``page``: serves
people; nobody waits for it.
"""
RestartPolicy = Literal["always", "never"]
"""What becomes of a process that died; never: the run fails."""
CONSUMERS: Final[tuple[Role, ...]] = ("transform", "worker", "sink")
"""Roles whose processes sources wait for in lossless delivery."""


class StreamPosition(NamedTuple):
    """How far a stream has come: the first frame that somebody still needs."""

    epoch: int
    seq: int
    reached: int | None = None
    """Event time of the newest frame that was answered, in ns since the Unix epoch."""


class RunTimeLine(NamedTuple):
    """What the processes of a run share of its time line; a process has the fields it needs."""

    session_start: int
    """Its zero, in ns since the Unix epoch."""
    recorded_sources: tuple[str, ...] = ()
    """Services whose watermarks are waited for: films and tables, where nothing is live."""
    follows_clock: bool = False
    """Something is live: recorded sources keep to the clock, so that all have one time line."""


class ProcessSettings(BaseModel):
    """The settings of one process, sent to it as JSON when it is started."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keepers: tuple[str, ...] = ()
    """The run's consumers that send receipts: messages are kept for them from the beginning."""

    @property
    def process_name(self) -> str:
        """Its name on the bus: the kind, or ``kind/name`` where there can be several."""
        raise NotImplementedError

    @property
    def stream(self) -> str | None:
        """The one stream that it works on, where there is one."""
        return None

    def with_keepers(self, names: tuple[str, ...]) -> Self:
        """The same, with the run's consumers that send receipts."""
        return self.model_copy(update={"keepers": names})

    def with_consumers(self, names: tuple[str, ...]) -> Self:
        """The same, with the consumers that it waits for (sources, and the hub)."""
        return self

    @property
    def calendar_start(self) -> int | None:
        """When its material begins, in ns since the Unix epoch, where that is a date of its own.

        None where it begins with the session: cameras, sensors, and whatever has no date.

        Raises:
            AffectlineError: It cannot be read.
        """
        return None

    @property
    def is_recorded_source(self) -> bool:
        """Whether it is a source whose times are those of a recording: a film, a table.

        Such sources publish a `Watermark`, and are waited for where sources are combined.
        """
        return False

    def with_time_line(self, time_line: RunTimeLine) -> Self:
        """The same, with those facts of the session's time line that it has fields for."""
        known = {k: v for k, v in time_line._asdict().items() if k in type(self).model_fields}
        return self.model_copy(update=known) if known else self

    def resumed(self, position: StreamPosition | None, now: int) -> Self:
        """The settings of its successor after it died.

        Args:
            position: How far its stream has come; None where nothing was answered.
            now: In ns since the Unix epoch.
        """
        return self


@dataclass(frozen=True)
class Run:
    """The run that processes are planned for."""

    settings: PipelineSettings
    """Complete: with sources, delivery, pace and session folder."""
    replay: Literal["as recorded", "reanalysed"] | None = None
    """A recording is the only source."""
    session_start: int | None = None
    """Zero of the session's time line, where it is known before the processes: that of the
    recording. None: the earliest date of a source, or the time of the start."""

    @property
    def has_fusion(self) -> bool:
        """Whether states are estimated anew: where somebody is measured, or was."""
        if self.replay is not None:
            return self.replay == "reanalysed"
        return self.has_sensors or self.measures_faces

    @property
    def measures_faces(self) -> bool:
        """Whether heads or eyes are measured over time, which pictures of a folder do not have."""
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
    """An older spelling, which is still read, such as ``--answer``."""
    parse: Callable[[str], Any] | None = None
    """Reads the text of the option, where its type alone does not say how."""
    metavar: str | None = None
    """What stands for the value in the help."""
    hidden: bool = False
    """An older option, which is still read and not shown."""


TlsFlag = Annotated[bool, Flag("Encrypt with --certificate, or with one that is made and kept.")]
CertificateFlag = Annotated[
    Path | None, Flag("Certificate to encrypt with, in PEM.", metavar="FILE")
]
PrivateKeyFlag = Annotated[
    Path | None, Flag("Private key of the certificate, if in another file.", metavar="FILE")
]

Configure = Callable[..., ProcessSettings]
"""From the settings of a pipeline, the delivery, and further parameters to a process' settings.

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
    """``module:Class``, imported in its own process only. It is made with the settings alone."""
    role: Role
    restart: RestartPolicy = "always"
    inputs: tuple[str, ...] = ()
    """Prefixes of the topics that it consumes, as its handlers declare."""
    outputs: tuple[str, ...] = ()
    """Prefixes of the topics that it publishes."""
    delivery: Delivery | None = None
    """Its own delivery, where it is not the pipeline's."""
    planned: Callable[[Run], Iterable[ProcessSettings]] = lambda _: ()
    """Those of its processes that a run consists of."""
    optional: bool = False
    """One process of it runs where the settings file names its kind below ``services:``."""
    configure: Configure | None = None
    """Makes its settings for its command; None: it has none, or one of its own."""
    example: str = ""
    """A command line, for the help."""

    def processes(self, run: Run) -> Iterable[ProcessSettings]:
        """Those of its processes that a run consists of."""
        yield from self.planned(run)
        if self.optional and self.kind in run.settings.services:
            hub = {"hub": run.settings.hub} if "hub" in self.settings.model_fields else {}
            yield self.settings.model_validate(run.settings.services[self.kind] | hub)

    def run(self, settings: ProcessSettings, hub: HubSettings, delivery: Delivery) -> int:
        """Be such a process; return its exit code."""
        module, _, name = self.stage.partition(":")
        made = getattr(import_module(module), name)
        if self.role == "hub":
            code: int = made(settings, hub, delivery).run()
            return code
        name, delivery = settings.process_name, self.delivery or delivery
        return run_service(made(settings), name, hub, delivery, settings.keepers)
