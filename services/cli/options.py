"""Options that several commands share, and how they override the settings."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import LabelSet, parse_label_set
from affectline.common.settings import pipeline as config
from affectline.common.settings.detector import DetectorSettings
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.recording import Privacy, RecordingSettings

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings file (YAML), e.g. configs/default.yaml.")
]
HubAddress = Annotated[
    str | None,
    typer.Option(
        "--hub", metavar="HOST[:PORT]", help="Address of the hub.  [default: 127.0.0.1:5555]"
    ),
]
DeliveryMode = Annotated[
    Delivery | None,
    typer.Option(
        help="live: the newest frame wins. lossless: the source waits, no frame is dropped."
    ),
]
Model = Annotated[Path | None, typer.Option(help="Folder of the model artifact.")]
LabelSetName = Annotated[
    LabelSet | None,
    typer.Option(
        "--label-set",
        "--answer",
        help="fer2013: predict FER2013's labels. ferplus: predict the majority of FER+'s "
        "annotators.",
        parser=parse_label_set,
        metavar="fer2013|ferplus",
        show_default="fer2013",
    ),
]
BackendName = Annotated[
    config.Backend | None,
    typer.Option(
        help="litert: the deployed model. tensorflow: the reference model it was converted from."
    ),
]

DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="haar: the cascade alone. haar+net: a small network where it is blind. net: the "
        "network alone, for best recall.  [default: haar+net]",
    ),
]

PrivacyMode = Annotated[
    Privacy | None,
    typer.Option(
        help="What is recorded: everything, blurred faces, or no pictures; implies --record."
    ),
]
GroupAccess = Annotated[
    bool, typer.Option("--group-access", help="Let your group read the session, not you alone.")
]
SessionFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A session folder, or a file in it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def read_settings(path: Path | None, hub: str | None = None) -> PipelineSettings:
    """Read settings from a file, or take the defaults; ``hub`` is the value of ``--hub``."""
    settings = config.load(path) if path else PipelineSettings()
    if hub:
        settings = settings.model_copy(update={"hub": parse_hub(hub, settings.hub)})
    return settings


def with_overrides(settings: Any, **values: Any) -> Any:
    """Return settings with the values that were given on the command line (are not None)."""
    return settings.model_copy(update={k: v for k, v in values.items() if v is not None})


def with_recording_overrides(
    settings: RecordingSettings, *, record: bool, privacy: Privacy | None, report: bool = False
) -> RecordingSettings:
    """Apply ``--record``, ``--privacy`` and ``--report`` to recording settings."""
    overridden: RecordingSettings = with_overrides(
        settings,
        record=(record or report or privacy is not None) or None,
        privacy=privacy,
        report=report or None,
    )
    return overridden


def with_detector(settings: DetectorSettings, name: str | None) -> DetectorSettings:
    """Apply ``--detector``: another detector has what was set of the settings that it has, too.

    Raises:
        AffectlineError: There is no such detector, or it needs a setting that is not there.
    """
    if name is None or name == settings.backend:
        return settings
    known = DetectorSettings.registry.settings_model(name).model_fields
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


def parse_hub(text: str, default: HubSettings) -> HubSettings:
    """Parse ``HOST`` or ``HOST:PORT``.

    Raises:
        AffectlineError: It is neither.
    """
    host, _, port = text.removeprefix("tcp://").partition(":")
    if not host or (port and not (port.isdecimal() and 1 <= int(port) <= 65529)):
        raise AffectlineError(
            f"--hub {text}: not HOST or HOST:PORT with a port from 1 to 65529",
            "for example --hub 192.168.1.20:5555",
        )
    return HubSettings(host=host, port=int(port) if port else default.port)


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
