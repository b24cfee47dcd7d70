"""Plans a run: its processes, and the defaults that depend on its sources."""

from contextlib import ExitStack
from importlib.util import find_spec
from typing import Final

from affectline.common.clock import now_ns
from affectline.common.display import has_screen
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.keeping import keepers_among
from affectline.common.runtime.spec import CONSUMERS, Run, RunTimeLine
from affectline.common.settings.fusion import DEFAULT_SUBJECT
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import Pace, name_sources
from affectline.services.registry import SPECS
from affectline.services.supervisor.marker_schedule import PLAN
from affectline.services.supervisor.process import ProcessSpec
from affectline.services.supervisor.session_folder import (
    claim_folder,
    free_folders,
    require_free,
)

LOG: Final = ServiceLogger("supervisor")


def plan(run: Run, *more: ProcessSpec) -> list[ProcessSpec]:
    """The processes of a run, in the order in which they are started.

    Every service plans its own processes of a run (`ServiceSpec.planned`). Sources get the names of
    the consumers, because they wait for them in lossless delivery.

    Args:
        run: The run to plan.
        more: Processes that no service plans by itself, started last.

    Raises:
        AffectlineError: The settings name a service that does not exist.
    """
    optional = [kind for kind, spec in SPECS.items() if spec.optional]
    for kind in run.settings.services:
        if kind not in optional:
            raise AffectlineError(
                f"services: {kind}: not a service that can be added by name",
                f"name one of {', '.join(optional)}",
            )
    processes = [
        ProcessSpec(spec, settings) for spec in SPECS.values() for settings in spec.processes(run)
    ]
    return with_time_line(with_consumers([*processes, *more]), run)


def with_time_line(processes: list[ProcessSpec], run: Run) -> list[ProcessSpec]:
    """The same processes, on the time line of their session.

    The time line begins at the earliest date of a source, else now.

    Raises:
        AffectlineError: The date of a source cannot be read.
    """
    start = run.session_start
    if start is None:
        dates = [p.settings.calendar_start for p in processes]
        start = min((date for date in dates if date is not None), default=now_ns())
    sources = [p for p in processes if p.spec.role == "source"]
    recorded = tuple(p.name for p in sources if p.settings.is_recorded_source)
    is_live = len(recorded) < len(sources)
    time_line = RunTimeLine(
        session_start=start,
        recorded_sources=() if is_live else with_plan(recorded, run.settings),
        follows_clock=is_live,
    )
    return [ProcessSpec(p.spec, p.settings.with_time_line(time_line)) for p in processes]


def with_plan(recorded: tuple[str, ...], settings: PipelineSettings) -> tuple[str, ...]:
    """Recorded sources, and the marker schedule if there is one.

    Processes that combine sources wait for the planned markers as well.
    """
    return (*recorded, PLAN) if recorded and settings.markers else recorded


def time_line_of(processes: list[ProcessSpec]) -> RunTimeLine:
    """The time line of the processes; one that begins now if they have none."""
    told = [p.settings.model_dump(include=set(RunTimeLine._fields)) for p in processes]
    known = {k: v for fields in told for k, v in fields.items() if v is not None}
    return RunTimeLine(**({"session_start": now_ns()} | known))


def with_consumers(processes: list[ProcessSpec]) -> list[ProcessSpec]:
    """The same processes, with the names of the consumers that they wait for."""
    consumers = tuple(p.name for p in processes if p.spec.role in CONSUMERS)
    keepers = keepers_among(consumers)
    named = [ProcessSpec(p.spec, p.settings.with_keepers(keepers)) for p in processes]
    return [
        ProcessSpec(p.spec, p.settings.with_consumers(consumers))
        if p.spec.role in ("source", "hub")
        else p
        for p in named
    ]


def complete(settings: PipelineSettings, claims: ExitStack | None = None) -> PipelineSettings:
    """Fill in what the settings leave to the sources: delivery, pace and session folder.

    Args:
        settings: Settings of a run.
        claims: Keeps the session folder for this run until it is closed; None: the folder is only
            named, and another run may take it meanwhile.

    Raises:
        AffectlineError: The session folder is not empty, or another run uses it.
    """
    given = settings.sources or name_sources(["sample"])
    sources = tuple(one.with_whole_path() for one in given)  # to be found again from elsewhere
    live = any(source.is_live for source in sources)
    delivery: Delivery = settings.delivery or ("live" if live else "lossless")
    watched = settings.sink.display in ("window", "browser")
    pace: Pace = settings.pace or ("realtime" if watched or delivery == "live" else "fast")
    out, stream = settings.sink.out, sources[0].name
    if claims is not None:
        group = settings.sink.group_access
        out = claims.enter_context(claim_folder(out, stream, group_access=group))
    elif out is None:
        out = next(folder for folder in free_folders(stream) if not folder.exists())
    else:
        require_free(out)
    return settings.model_copy(
        update={
            "sources": sources,
            "delivery": delivery,
            "pace": pace,
            "sink": settings.sink.model_copy(update={"out": out.absolute()}),
        }
    )


def check_names(settings: PipelineSettings) -> None:
    """Check that streams and subjects named in settings are those of the run.

    In live delivery others may join it, started by hand, so a name that nothing has is only logged.

    Args:
        settings: Complete settings of a run of its own: an archive's films share theirs.

    Raises:
        AffectlineError: A run that nothing else joins has no stream or subject of that name.
    """
    required = {name.partition("/")[0] for name in settings.require}
    streams = {source.name for source in settings.sources}
    fusion = settings.fusion
    subjects = {sensor.subject for sensor in settings.biometrics} | {*fusion.streams.values()}
    subjects |= {fusion.subject} if fusion.subject else {DEFAULT_SUBJECT, *streams}
    lsl = settings.services.get("lsl", {})
    for place, named, known in (
        ("fusion.streams", tuple(fusion.streams), streams),
        ("services.lsl.streams", lsl.get("streams"), streams),
        ("services.lsl.subjects", lsl.get("subjects"), subjects),
    ):
        for name in named if isinstance(named, list | tuple) else ():
            if name in known | required:
                continue
            kind = place.rpartition(".")[2].removesuffix("s")
            problem = f"{place}: the run has no {kind} {name!r}"
            there = ", ".join(sorted(known))
            if settings.delivery != "live":
                raise AffectlineError(problem, f"there are: {there}")
            LOG.warning("%s (there are: %s)", problem, there)


def choose_display(settings: PipelineSettings, *, attended: bool) -> PipelineSettings:
    """Choose where to show frames, if the settings do not (decision 7).

    Args:
        settings: Settings with the named sources.
        attended: Whether a person has started the run and may want to watch.
    """
    if settings.sink.display is not None:
        return settings
    live = any(source.is_live for source in settings.sources)
    wanted = live and attended and not has_screen() and find_spec("nicegui") is not None
    sink = settings.sink.model_copy(update={"display": "browser" if wanted else "none"})
    return settings.model_copy(update={"sink": sink})
