"""Settings: frozen, checked, with a default for everything."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name, to_name
from affectline.common.model.artifact import DEFAULT_MODEL, OLD_LABEL_SETS, LabelSet
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.detector import DetectorSettings, default_detector
from affectline.common.settings.fusion import FusionSettings
from affectline.common.settings.recording import RecordingSettings

Delivery = Literal["live", "lossless"]
Pace = Literal["realtime", "fast"]
Display = Literal["none", "window", "mp4", "browser"]
Backend = Literal["litert", "tensorflow"]

DEFAULT_PORT: Final = 5555


class Settings(BaseModel):
    """What all settings share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSettings(Settings):
    """Where the hub is: seven consecutive ports, of which users need the second."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65529)] = DEFAULT_PORT

    def _address(self, offset: int) -> str:
        return f"tcp://{self.host}:{self.port + offset}"

    @property
    def ingress(self) -> str:
        """Publishers connect here."""
        return self._address(0)

    @property
    def outlet(self) -> str:
        """Any outside tool subscribes here; it drops for the slow."""
        return self._address(1)

    @property
    def bus(self) -> str:
        """The pipeline's own consumers subscribe here."""
        return self._address(2)

    @property
    def work_in(self) -> str:
        """Detectors push face crops here."""
        return self._address(3)

    @property
    def work_out(self) -> str:
        """Classifiers pull face crops here."""
        return self._address(4)

    @property
    def metrics_port(self) -> int:
        """Prometheus scrapes this port."""
        return self.port + 5

    @property
    def clock(self) -> str:
        """Processes on other hosts ask here what time it is."""
        return self._address(6)

    @property
    def ports(self) -> dict[int, str]:
        """All seven, and what each is for."""
        uses = (
            "publishers",
            "outlet",
            "bus",
            "work queue in",
            "work queue out",
            "metrics",
            "clock",
        )
        return {self.port + offset: use for offset, use in enumerate(uses)}


class SourceSettings(Settings):
    """One stream: a name, and a camera index, file, folder, URL or ``sample``."""

    name: Name
    source: Annotated[str, Field(min_length=1, max_length=4096)]
    loop: bool = False
    """Start a file again when it has ended: for demonstrations."""


class CaptureSettings(Settings):
    """How frames are captured."""

    encoding: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90
    camera_width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Width that is requested from a camera, at 16:9; it chooses the nearest that it has. None:
    its own, which mostly is 640."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Scale frames to this width before publishing; None leaves them as they are."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second: requested from a camera, and the pace of a folder of images (25 by
    default); of a file with a higher rate, frames are left out."""


class ClassifierSettings(Settings):
    """Which model classifies the faces, and with which backend."""

    model: Path = DEFAULT_MODEL
    """Folder of the artifact."""
    label_set: LabelSet = "fer2013"
    """FER2013's labels, or those that most of FER+'s annotators chose. Files from before may
    spell it ``answer: labels`` or ``answer: votes``."""
    backend: Backend = "litert"
    max_age_ms: Annotated[float, Field(gt=0)] = 200.0
    """Live delivery: crops older than this are answered with "stale" instead of a distribution."""
    instances: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="before")
    @classmethod
    def _read_old_spelling(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "answer" not in content or "label_set" in content:
            return content
        old = content["answer"]
        label_set = OLD_LABEL_SETS.get(old, old) if isinstance(old, str) else old
        return {k: v for k, v in content.items() if k != "answer"} | {"label_set": label_set}


class SinkSettings(Settings):
    """Where the results go."""

    out: Path | None = None
    """Session folder; ``sessions/<time>-<stream>`` by default."""
    display: Display | None = None
    """None: the dashboard where a camera is watched and there is no screen, else none."""


class TimedMarker(Settings):
    """A marker that a run publishes by itself: the steps of an experiment."""

    at_s: Annotated[float, Field(ge=0, le=86_400)]
    """Seconds after the first result."""
    label: Annotated[str, Field(min_length=1, max_length=1000)]
    extra: dict[str, str | float | int | bool] = Field(default_factory=dict)


class PipelineSettings(Settings):
    """A whole pipeline, as one YAML file describes it."""

    hub: HubSettings = HubSettings()
    delivery: Delivery | None = None
    """None: lossless where all sources are files, live where one is a camera or network stream."""
    pace: Pace | None = None
    """None: fast where delivery is lossless and nobody watches, else realtime."""
    sources: tuple[SourceSettings, ...] = ()
    capture: CaptureSettings = CaptureSettings()
    detector: DetectorSettings = Field(default_factory=default_detector)
    classifier: ClassifierSettings = ClassifierSettings()
    duration: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Seconds after the first result at which the run ends; None: with its sources."""
    markers: tuple[TimedMarker, ...] = ()
    biometrics: tuple[BiometricsSettings, ...] = ()
    fusion: FusionSettings = FusionSettings()
    sink: SinkSettings = SinkSettings()
    dashboard: DashboardSettings = DashboardSettings()
    recording: RecordingSettings = RecordingSettings()
    services: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Further services to run, by kind, with their settings."""

    def describe(self) -> dict[str, Any]:
        """The settings for ``session.json`` and recordings; addresses without passwords."""
        shown = tuple(s.model_copy(update={"source": redact(s.source)}) for s in self.sources)
        plain = self.model_copy(update={"sources": shown}).model_dump(mode="json")
        return {"delivery": self.delivery, "settings": plain}

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        return sources

    @field_validator("biometrics")
    @classmethod
    def _sensors_differ(
        cls, sensors: tuple[BiometricsSettings, ...]
    ) -> tuple[BiometricsSettings, ...]:
        names = [sensor.service for sensor in sensors]
        if len(set(names)) < len(names):
            raise ValueError("two sensors have the same subject and driver")
        return sensors


def is_live(source: str) -> bool:
    """True for a camera index or a network address."""
    return source.isdecimal() or "://" in source


def redact(source: str) -> str:
    """A source as it may be shown and stored: without the user and password of an address."""
    return re.sub(r"(://)[^/@]*@", r"\1", source)


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: ``name=source``, or one made from the source."""
    named: list[SourceSettings] = []
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or "/" in name or ":" in name or os.path.exists(text):  # noqa: PTH110 - never raises
            name, source = _name_of(text), text
        taken = {s.name for s in named}
        unique = next(n for n in numbered(name) if n not in taken)
        try:
            named.append(SourceSettings(name=unique, source=source))
        except ValidationError as error:
            raise AffectlineError(
                f"--source {redact(text)}: not a source with a name",
                "as in driver=0: letters, digits, '.', '_' and '-' for the name, then the source",
            ) from error
    return tuple(named)


def _name_of(source: str) -> str:
    if source.isdecimal():
        return f"camera{source}"
    if "://" in source:
        source = source.split("://", 1)[1].split("@")[-1].split("?")[0]
        stem = source.replace("/", "-")
    else:
        stem = Path(source).resolve().stem
    return to_name(stem)[:56] or "stream"


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with a number, from 2 on."""
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))


def load(path: Path) -> PipelineSettings:
    """Read settings from a YAML file.

    Raises:
        AffectlineError: The file cannot be read, is no YAML, or has a wrong or unknown setting.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PipelineSettings.model_validate({} if content is None else content)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AffectlineError(f"--config {path}: {reason}", "name a readable YAML file") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise AffectlineError(
            f"--config {path} is not YAML{line}", "see configs/default.yaml for an example"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "the file"
        raise AffectlineError(
            f"--config {path}: {name}: {first['msg']} (got {first['input']!r})",
            "see configs/default.yaml for every setting and its default",
        ) from error
