"""Settings: frozen, checked, with a default for everything."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.artifact import DEFAULT_MODEL
from common.errors import AffectlineError
from common.messages import Name

Delivery = Literal["live", "lossless"]
Pace = Literal["realtime", "fast"]
Display = Literal["none", "window", "mp4"]
Backend = Literal["litert", "tensorflow"]

DEFAULT_PORT: Final = 5555


class Settings(BaseModel):
    """What all settings share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSettings(Settings):
    """Where the hub is: six ports in a row, of which users need the second."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65530)] = DEFAULT_PORT

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


class SourceSettings(Settings):
    """One stream: a name, and a camera index, file, folder, URL or ``sample``."""

    name: Name
    source: str
    loop: bool = False
    """Start a file again when it has ended: for demonstrations."""


class CaptureSettings(Settings):
    """How pictures are taken."""

    encoding: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Scale pictures to this width before publishing; None leaves them as they are."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames a second: asked of a camera, and the pace of a folder of pictures (25 by default);
    a file with a higher rate is thinned out to it."""


class DetectorSettings(Settings):
    """How faces are found and followed; lengths of time in frames, so that runs repeat exactly."""

    margin: float = 0.1


class ClassifierSettings(Settings):
    """Which model judges the faces, and with what."""

    model: Path = DEFAULT_MODEL
    """Folder of the artifact."""
    backend: Backend = "litert"
    max_age_ms: Annotated[float, Field(gt=0)] = 200.0
    """Live delivery: crops older than this are answered with "stale" instead of a distribution."""
    instances: Annotated[int, Field(ge=1, le=64)] = 1


class SinkSettings(Settings):
    """What becomes of the results."""

    out: Path | None = None
    """Session folder; ``sessions/<time>-<stream>`` by default."""
    display: Display = "none"


class PipelineSettings(Settings):
    """A whole pipeline, as one YAML file describes it."""

    hub: HubSettings = HubSettings()
    delivery: Delivery | None = None
    """None: lossless where all sources are files, live where one is a camera or network stream."""
    pace: Pace | None = None
    """None: fast where delivery is lossless and nobody watches, else realtime."""
    sources: tuple[SourceSettings, ...] = ()
    capture: CaptureSettings = CaptureSettings()
    detector: DetectorSettings = DetectorSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    sink: SinkSettings = SinkSettings()


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
