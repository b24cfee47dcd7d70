"""The settings of a pipeline: frozen, validated, with a default for everything."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from affectline.common.errors import AffectlineError
from affectline.common.model.answer import FORMER_NAMES, Answer
from affectline.common.model.calibration import CalibrationSetting
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.common.settings.biometrics import (
    DEFAULT_TIME_ZONE,
    BiometricsSettings,
    TimeZone,
)
from affectline.common.settings.choices import Backend as Backend
from affectline.common.settings.choices import Display as Display
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.detector import DetectorSettings, default_detector
from affectline.common.settings.fusion import FusionSettings
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.settings.model import SOURCES, Settings, explain
from affectline.common.settings.recording import RecordingSettings, RetentionSettings
from affectline.common.settings.sources import CaptureSettings, Pace, SourceSettings
from affectline.common.settings.study import StudySettings
from affectline.common.settings.variables import expand, expand_home, require_no_variables
from affectline.common.settings.yaml_text import parse_yaml


class ClassifierSettings(Settings):
    """The model that classifies the faces, and its backend."""

    model: Path = DEFAULT_MODEL
    """Folder of the artifact."""
    answer: Answer | None = None
    """Whose labels to predict: FER2013's (``labels``), those of most of FER+'s annotators
    (``votes``), or both (``consensus``). None: both, or FER2013's if the model was trained without
    votes. Older files may use ``label_set: fer2013`` or ``label_set: ferplus``."""
    backend: Backend = "litert"
    calibration: CalibrationSetting = None
    """One person's calibration (docs/calibration.md): in a file, the path of ``calibration.json``
    or of the session folder that has it. None: the model's own results."""
    max_age_ms: Annotated[float, Field(gt=0)] = 200.0
    """Live delivery: crops older than this are answered with "stale" instead of a distribution."""
    instances: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="before")
    @classmethod
    def _read_old_spelling(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "label_set" not in content or "answer" in content:
            return content
        old = content["label_set"]
        answer = FORMER_NAMES.get(old, old) if isinstance(old, str) else old
        return {k: v for k, v in content.items() if k != "label_set"} | {"answer": answer}


class SinkSettings(Settings):
    """Where the results go."""

    out: Path | None = None
    """Session folder; ``sessions/<time>-<stream>`` by default."""
    group_access: bool = False
    """Let the folder's group read the session's files: folders 0750 and files 0640, instead of 0700
    and 0600."""
    display: Display | None = None
    """None: ``browser`` for a camera on a machine without a screen, else ``none``."""
    stats: bool = False
    """Also show the pipeline's rate, latency and skipped frames in windows and films."""


class TimedMarker(Settings):
    """A marker that the run sets at a given time, for the steps of an experiment."""

    at_s: Annotated[float, Field(ge=0, le=86_400)]
    """Seconds on the session's time line."""
    label: Annotated[str, Field(min_length=1, max_length=1000)]
    extra: dict[str, str | float | int | bool] = Field(default_factory=dict)


class PipelineSettings(Settings):
    """A whole pipeline, as described by one YAML file."""

    hub: HubSettings = Field(default_factory=HubSettings)
    delivery: Delivery | None = None
    """None: lossless if all sources are files, live if one is a camera or network stream."""
    pace: Pace | None = None
    """Speed of films and recorded signals. None: fast if delivery is lossless and nothing is
    displayed, else realtime. Results are the same at every pace."""
    rate: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Pace ``realtime``: multiple of real time."""
    time_zone: TimeZone = DEFAULT_TIME_ZONE
    """Time zone of dates in tables without an offset from UTC, such as ``Europe/Berlin``, or
    ``local`` for this computer's."""
    sources: tuple[SourceSettings, ...] = ()
    capture: CaptureSettings = CaptureSettings()
    detector: DetectorSettings = Field(default_factory=default_detector)
    classifier: ClassifierSettings = ClassifierSettings()
    duration: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Seconds after which the run ends: on the session's time line for films, after the first
    result if something is live. None: the run ends with its sources."""
    markers: tuple[TimedMarker, ...] = ()
    biometrics: tuple[BiometricsSettings, ...] = ()
    fusion: FusionSettings = FusionSettings()
    sink: SinkSettings = SinkSettings()
    dashboard: DashboardSettings = DashboardSettings()
    recording: RecordingSettings = RecordingSettings()
    retention: RetentionSettings = RetentionSettings()
    study: StudySettings = StudySettings()
    require: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    """Streams that a recording requires: video streams (``front``), signals
    (``anna/heart_rate``), or LSL streams of markers, by name."""
    services: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Further services to run, by kind, with their settings."""

    def describe(self) -> dict[str, Any]:
        """The settings for ``session.json`` and recordings, with addresses without secrets."""
        plain = self.without_secrets().model_dump(mode="json")
        about = {"delivery": self.delivery, "settings": plain}
        study = self.study.flat()
        return {**about, "study": study} if study else about

    def without_secrets(self) -> Self:
        """A copy without secrets, for processes that open no source."""
        shown = tuple(source.without_secrets() for source in self.sources)
        return self.model_copy(update={"sources": shown})

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


def load(path: Path) -> PipelineSettings:
    """Read settings from a YAML file.

    Texts that begin with ``~/`` are paths below the user's home folder.

    Raises:
        AffectlineError: The file cannot be read, is not YAML, or has a wrong or unknown setting.
    """
    try:
        path = expand_home(path)
        content = expand_home(parse_yaml(path.read_text(encoding="utf-8")))
        if isinstance(content, dict):
            where = f"--config {path}: "
            if SOURCES in content:
                content[SOURCES] = expand(content[SOURCES], where + SOURCES)
            require_no_variables({k: v for k, v in content.items() if k != SOURCES}, where)
        return PipelineSettings.model_validate({} if content is None else content)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AffectlineError(f"--config {path}: {reason}", "name a readable YAML file") from error
    except ValidationError as error:
        problem = explain(error, PipelineSettings)
        is_answered = "did you mean" in problem
        fix = "see configs/default.yaml for every setting and its default"
        if error.errors()[0]["loc"][:1] == ("biometrics",):
            fix = "see docs/biometrics.md for the settings of each sensor"
        fix = "" if is_answered else fix
        raise AffectlineError(f"--config {path}: {problem}", fix) from error
    except ValueError as error:
        raise AffectlineError(
            f"--config {path} {error}", "see configs/default.yaml for an example"
        ) from error
