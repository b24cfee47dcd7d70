"""Options that several commands share, and how they change the settings."""

from pathlib import Path
from typing import Annotated, Any

import typer

from affectline.common.errors import AffectlineError
from affectline.common.model.artifact import LabelSet, parse_label_set
from affectline.common.settings import pipeline as config
from affectline.common.settings.pipeline import Delivery, HubSettings, PipelineSettings
from affectline.common.settings.recording import Privacy, RecordingSettings

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings (YAML), e.g. configs/default.yaml.")
]
HubAddress = Annotated[
    str | None,
    typer.Option("--hub", metavar="HOST[:PORT]", help="The hub; 127.0.0.1:5555 by default."),
]
DeliveryMode = Annotated[
    Delivery | None,
    typer.Option(help="live: the newest frame wins. lossless: the source waits, nothing is lost."),
]
Model = Annotated[Path | None, typer.Option(help="Folder of the model artifact.")]
LabelSetName = Annotated[
    LabelSet | None,
    typer.Option(
        "--label-set",
        "--answer",
        help="Whose labels: FER2013's, or those that most of FER+'s voters chose.",
        parser=parse_label_set,
        metavar="fer2013|ferplus",
        show_default="fer2013",
    ),
]
BackendName = Annotated[
    config.Backend | None,
    typer.Option(help="litert serves; tensorflow runs the reference that the model was made from."),
]

PrivacyMode = Annotated[
    Privacy | None,
    typer.Option(
        help="What a recording holds: everything, faces blurred, or no pictures; implies --record."
    ),
]


def read_settings(path: Path | None, hub: str | None = None) -> PipelineSettings:
    """Settings from a file, or the defaults; ``hub`` is what ``--hub`` said."""
    settings = config.load(path) if path else PipelineSettings()
    if hub:
        settings = settings.model_copy(update={"hub": parse_hub(hub, settings.hub)})
    return settings


def change(settings: Any, **values: Any) -> Any:
    """Settings with those values changed that were given on the command line."""
    return settings.model_copy(update={k: v for k, v in values.items() if v is not None})


def change_recording(
    settings: RecordingSettings, *, record: bool, privacy: Privacy | None, report: bool = False
) -> RecordingSettings:
    """Recording settings as ``--record``, ``--privacy`` and ``--report`` change them."""
    changed: RecordingSettings = change(
        settings,
        record=(record or report or privacy is not None) or None,
        privacy=privacy,
        report=report or None,
    )
    return changed


def parse_hub(text: str, default: HubSettings) -> HubSettings:
    """Read ``HOST`` or ``HOST:PORT``.

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
