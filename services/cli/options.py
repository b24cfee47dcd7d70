"""Options that several commands share, and how they override the settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from affectline.common.errors import AffectlineError
from affectline.common.model.answer import Answer, parse_answer
from affectline.common.settings.choices import Backend, Delivery, Privacy

if TYPE_CHECKING:
    from affectline.common.settings.detector import DetectorSettings
    from affectline.common.settings.hub import HubSettings
    from affectline.common.settings.pipeline import ClassifierSettings, PipelineSettings
    from affectline.common.settings.recording import RecordingSettings
    from affectline.common.settings.study import StudySettings

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings file (YAML), e.g. configs/default.yaml.")
]
HubAddress = Annotated[
    str | None,
    typer.Option(
        "--hub", metavar="HOST[:PORT]", help="Address of the hub.  [default: 127.0.0.1:5555]"
    ),
]
BindHub = Annotated[
    str | None,
    typer.Option(
        "--bind",
        metavar="[HOST:]PORT",
        help="Where the hub listens; six more ports follow.  [default: 127.0.0.1:5555]",
    ),
]
HubPort = Annotated[int | None, typer.Option("--port", min=1, max=65529, hidden=True)]
"""Former name of ``--bind``."""
_DELIVERIES: Final = "live: the newest frame wins. lossless: the source waits, no frame is dropped."
DeliveryMode = Annotated[Delivery | None, typer.Option(help=_DELIVERIES)]
DeliveryOfProcess = Annotated[
    Delivery | None,
    typer.Option(help=f"{_DELIVERIES}  [default: as the hub; live for sources and pages]"),
]
Model = Annotated[Path | None, typer.Option(help="Folder of the model artifact.")]
AnswerName = Annotated[
    Answer | None,
    typer.Option(
        "--answer",
        "--label-set",
        help="labels: predict FER2013's labels. votes: what most of FER+'s annotators saw. "
        "consensus: the mean of both.  [default: consensus]",
        parser=parse_answer,
        metavar="labels|votes|consensus",
    ),
]
BackendName = Annotated[
    Backend | None,
    typer.Option(
        help="litert: the deployed model. tensorflow: the reference model it was converted from."
    ),
]

CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="One person's calibration, or the session folder that has it.  [default: none]",
    ),
]
DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="haar: the cascade only. haar+net: with a small network for the faces it misses. "
        "net: the network only, for best recall.  [default: haar+net]",
    ),
]

PrivacyMode = Annotated[
    Privacy | None,
    typer.Option(
        help="What is recorded: everything, blurred faces, or no images; implies --record."
    ),
]
Stats = Annotated[
    bool,
    typer.Option("--stats", help="Windows and films also show frames/s, latency and skips."),
]
GroupAccess = Annotated[
    bool, typer.Option("--group-access", help="Let your group read the session, too.")
]
SessionFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A session folder, or a file in it.")
]
Participant = Annotated[
    str | None, typer.Option(metavar="CODE", help="Participant: a code, never a name.")
]
StudySession = Annotated[
    str | None,
    typer.Option("--session", metavar="LABEL", help="Session of the participant, such as pre."),
]
Task = Annotated[str | None, typer.Option(metavar="LABEL", help="Task, such as drive.")]
RunLabel = Annotated[
    str | None, typer.Option("--run", metavar="LABEL", help="Run: the repetition of the task.")
]
Condition = Annotated[str | None, typer.Option(metavar="LABEL", help="Condition, such as rain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def read_settings(path: Path | None, hub: str | None = None) -> "PipelineSettings":
    """Read settings from a file, or take the defaults; ``hub`` is the value of ``--hub``."""
    from affectline.common.settings.hub import parse_hub
    from affectline.common.settings.pipeline import PipelineSettings, load

    settings = load(path) if path else PipelineSettings()
    if hub:
        settings = settings.model_copy(update={"hub": parse_hub(hub, settings.hub)})
    return settings


def with_bind(settings: "HubSettings", bind: str | None, port: int | None = None) -> "HubSettings":
    """Apply ``--bind``, or its former name ``--port``.

    Raises:
        AffectlineError: It cannot be listened on.
    """
    from pydantic import ValidationError

    from affectline.common.settings.hub import HubSettings, check_ipv4, parse_bind

    if bind is None:
        overridden: HubSettings = with_overrides(settings, port=port)
        return overridden
    check_ipv4("--bind", bind)
    host, number = parse_bind(bind, settings.host, settings.port)
    try:
        return HubSettings(
            host=host,
            port=number or settings.port,
            security=settings.security,
            wait_for=settings.wait_for,
        )
    except ValidationError as error:
        raise AffectlineError(
            f"--bind {bind}: {error.errors()[0]['msg']}", "the hub needs seven ports in a row"
        ) from error


def with_overrides(settings: Any, **values: Any) -> Any:
    """Return settings, overridden by the command-line values that are not None."""
    return settings.model_copy(update={k: v for k, v in values.items() if v is not None})


def with_recording_overrides(
    settings: "RecordingSettings", *, record: bool, privacy: Privacy | None, report: bool = False
) -> "RecordingSettings":
    """Apply ``--record``, ``--privacy`` and ``--report`` to recording settings."""
    overridden: RecordingSettings = with_overrides(
        settings,
        record=(record or report or privacy is not None) or None,
        privacy=privacy,
        report=report or None,
    )
    return overridden


def with_detector(settings: "DetectorSettings", name: str | None) -> "DetectorSettings":
    """Apply ``--detector``; settings that both detectors have keep their values.

    Raises:
        AffectlineError: There is no such detector, or it needs a setting that is not there.
    """
    if name is None or name == settings.backend:
        return settings
    from pydantic import ValidationError

    from affectline.common.settings.detector import DetectorSettings

    try:
        known = DetectorSettings.registry.settings_model(name).model_fields
    except AffectlineError as error:
        raise AffectlineError(f"--detector {name}: {error.problem}", error.fix) from error
    kept = {
        key: value for key, value in settings.model_dump(exclude_unset=True).items() if key in known
    }
    try:
        return DetectorSettings.model_validate({**kept, "backend": name})
    except ValidationError as error:
        first = error.errors()[0]
        raise AffectlineError(
            f"--detector {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            "set it in a settings file: detector: {backend: " + name + ", ...}, and --config FILE",
        ) from error


def with_calibration(
    settings: "ClassifierSettings", path: Path | None, participant: str | None = None
) -> "ClassifierSettings":
    """Apply ``--calibration``, and check a calibration against the model and the participant.

    Args:
        settings: Settings with the model and answer of the run.
        path: The value of ``--calibration``; None: that of the settings stays.
        participant: The participant of the run, if known.

    Raises:
        AffectlineError: The calibration cannot be read, was made with another model or answer,
            or belongs to somebody else.
    """
    if path is None and settings.calibration is None:
        return settings
    from affectline.common.model import artifact
    from affectline.common.model.calibration import read_calibration

    calibration = settings.calibration if path is None else read_calibration(path)
    assert calibration  # noqa: S101 - for the type checker
    loaded = artifact.load(settings.model)
    calibration.require_model(loaded.model_id_for(settings.answer))
    calibration.require_person(participant)
    if not calibration.is_on:
        typer.echo("affectline: the calibration is off: it did not help", err=True)
    overridden: ClassifierSettings = with_overrides(settings, calibration=calibration)
    return overridden


def with_study(settings: "StudySettings", **labels: str | None) -> "StudySettings":
    """Apply ``--participant`` and the like.

    Raises:
        AffectlineError: One is empty, or too long.
    """
    from pydantic import ValidationError

    from affectline.common.settings.study import StudySettings

    given = {name: text for name, text in labels.items() if text is not None}
    try:
        return StudySettings.model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise AffectlineError(
            f"--{name} {first['input']!r}: {first['msg']}", "1 to 64 characters, such as 07"
        ) from error


def parse_assignments(texts: list[str] | None) -> dict[str, str]:
    """Parse several ``NAME=VALUE``.

    Raises:
        BadParameter: One is something else.
    """
    values = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        values[name] = value
    return values
