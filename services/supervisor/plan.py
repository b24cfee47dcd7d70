"""What `affectline up` shall start: names, defaults, and the processes of a pipeline."""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affectline.common.clock import now_ns
from affectline.common.display import has_screen
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import to_name
from affectline.common.settings.pipeline import (
    Delivery,
    Pace,
    PipelineSettings,
    SourceSettings,
    is_live,
    redact,
)
from affectline.services.supervisor.process import ProcessSpec


def plan(settings: PipelineSettings) -> list[ProcessSpec]:
    """The processes that a pipeline consists of."""
    tasks = [
        ProcessSpec("hub", "hub"),
        *writers(settings, fused=bool(settings.biometrics)),
        *analysers(settings),
    ]
    tasks += [fusion(settings)] if settings.biometrics else []
    tasks += dashboard(settings)
    tasks += captures(settings, consumers(settings))
    listeners = ("fusion", *(("recorder",) if settings.recording.record else ()))
    for sensor in settings.biometrics:
        given = {"settings": sensor.model_dump(mode="json"), "consumers": listeners}
        tasks.append(ProcessSpec(sensor.service, "biometrics", given))
    return tasks


def captures(settings: PipelineSettings, consumers: tuple[str, ...]) -> list[ProcessSpec]:
    """The processes that take pictures."""
    capture = settings.capture.model_dump(mode="json")
    tasks = []
    for source in settings.sources:
        what = {
            "source": source.model_dump(),
            "settings": capture,
            "pace": settings.pace,
            "epoch": now_ns() // 1_000_000,
            "consumers": consumers,
        }
        tasks.append(ProcessSpec(f"capture/{source.name}", "capture", what))
    return tasks


def writers(
    settings: PipelineSettings, *, fused: bool, replayed: bool = False
) -> list[ProcessSpec]:
    """The processes that write into the session folder.

    Args:
        settings: Complete.
        fused: There are states to wait for.
        replayed: It is a player's last word that ends the session, not the streams' ends: in a
            recording signals may go on behind those, and streams begin again.
    """
    expected = [] if replayed else [source.name for source in settings.sources]
    about = describe_run(settings)
    folder = {"folder": str(settings.sink.out), "expected": expected, "about": about}
    shown = "none" if settings.sink.display in (None, "browser") else settings.sink.display
    tasks = [ProcessSpec("sink", "sink", folder | {"display": shown, "replayed": replayed})]
    if settings.recording.record:
        closers = ("replay",) if replayed else ("sink", "fusion") if fused else ("sink",)
        more = {"privacy": settings.recording.privacy, "closers": closers}
        tasks.append(ProcessSpec("recorder", "recorder", folder | more))
    return tasks


def dashboard(settings: PipelineSettings) -> list[ProcessSpec]:
    """The page in the browser, where it is wanted."""
    if settings.sink.display != "browser":
        return []
    return [ProcessSpec("dashboard", "dashboard", {"settings": settings.model_dump(mode="json")})]


def analysers(settings: PipelineSettings) -> list[ProcessSpec]:
    """The processes that find out what pictures say."""
    tasks = []
    detector = settings.detector.model_dump(mode="json")
    for source in settings.sources:
        stream = {"stream": source.name, "settings": detector}
        tasks.append(ProcessSpec(f"detector/{source.name}", "detector", stream))
    for i in range(1, settings.classifier.instances + 1):
        chosen = {"name": str(i), "settings": settings.classifier.model_dump(mode="json")}
        tasks.append(ProcessSpec(f"classifier/{i}", "classifier", chosen))
    return tasks


def fusion(settings: PipelineSettings) -> ProcessSpec:
    """The process that says how a person is: only where somebody is measured."""
    chosen = settings.fusion
    subjects = {sensor.subject for sensor in settings.biometrics}
    if len(subjects) == 1 and chosen.subject is None and not chosen.streams:
        # Known before the first heart beat is: the face is that person's from the first picture
        chosen = chosen.model_copy(update={"subject": subjects.pop()})
    return ProcessSpec("fusion", "fusion", {"settings": chosen.model_dump(mode="json")})


def consumers(settings: PipelineSettings) -> tuple[str, ...]:
    """Who must be there in lossless delivery, besides a stream's own detector."""
    others = ("fusion",) if settings.biometrics else ()
    return ("classifier", "sink", *others, *(("recorder",) if settings.recording.record else ()))


def describe_run(settings: PipelineSettings) -> dict[str, Any]:
    """What ``session.json`` says of a run's settings; addresses without passwords."""
    shown = tuple(s.model_copy(update={"source": redact(s.source)}) for s in settings.sources)
    plain = settings.model_copy(update={"sources": shown}).model_dump(mode="json")
    return {"delivery": settings.delivery, "settings": plain}


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: ``name=source``, or one made from the source."""
    named: list[SourceSettings] = []
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or "/" in name or ":" in name or os.path.exists(text):  # noqa: PTH110 - never raises
            name, source = _name(text), text
        taken = {s.name for s in named}
        unique = next(n for n in _numbered(name) if n not in taken)
        try:
            named.append(SourceSettings(name=unique, source=source))
        except ValidationError as error:
            raise AffectlineError(
                f"--source {redact(text)}: not a source with a name",
                "as in driver=0: letters, digits, '.', '_' and '-' for the name, then the source",
            ) from error
    return tuple(named)


def _name(source: str) -> str:
    if source.isdecimal():
        return f"camera{source}"
    if "://" in source:
        source = source.split("://", 1)[1].split("@")[-1].split("?")[0]
        stem = source.replace("/", "-")
    else:
        stem = Path(source).resolve().stem
    return to_name(stem)[:56] or "stream"


def _numbered(name: str) -> Any:
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))


def complete(settings: PipelineSettings) -> PipelineSettings:
    """Fill in what the settings leave to the sources: delivery, pace and session folder.

    Raises:
        AffectlineError: The session folder exists and holds something.
    """
    sources = settings.sources or name_sources(["sample"])
    live = any(is_live(source.source) for source in sources)
    delivery: Delivery = settings.delivery or ("live" if live else "lossless")
    watched = settings.sink.display in ("window", "browser")
    pace: Pace = settings.pace or ("realtime" if watched or delivery == "live" else "fast")
    out = settings.sink.out
    if out is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        stem = f"{stamp}-{sources[0].name}"
        out = next(p for n in _numbered(stem) if not (p := Path("sessions") / n).exists())
    elif _holds_something(out):
        raise AffectlineError(
            f"--out {out}: exists and is not an empty folder",
            "name a new one; nothing is overwritten",
        )
    return settings.model_copy(
        update={
            "sources": sources,
            "delivery": delivery,
            "pace": pace,
            "sink": settings.sink.model_copy(update={"out": out.absolute()}),
        }
    )


def choose_display(settings: PipelineSettings, *, attended: bool) -> PipelineSettings:
    """Fill in where the pictures are shown, where nobody said so (decision 7).

    Args:
        settings: With the sources that were named.
        attended: A person has started it and may want to look.
    """
    if settings.sink.display is not None:
        return settings
    live = any(is_live(source.source) for source in settings.sources)
    wanted = live and attended and not has_screen() and find_spec("nicegui") is not None
    sink = settings.sink.model_copy(update={"display": "browser" if wanted else "none"})
    return settings.model_copy(update={"sink": sink})


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True
    except OSError as error:
        raise AffectlineError(
            f"--out {folder}: cannot be used ({error.strerror})", "name a folder of your own"
        ) from error
