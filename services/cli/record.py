"""``affectline record``: record the messages of a running pipeline."""

import time
from pathlib import Path
from typing import Annotated

import typer

from affectline.common import file_access
from affectline.services.cli.options import (
    ConfigFile,
    DeliveryOfProcess,
    GroupAccess,
    HubAddress,
    PrivacyMode,
    read_settings,
)
from affectline.services.cli.processes import choose_delivery


def record(
    out: Annotated[
        Path | None, typer.Option(help="Session folder.  [default: sessions/<time>-recording]")
    ] = None,
    group_access: GroupAccess = False,
    privacy: PrivacyMode = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryOfProcess = None,
) -> None:
    """Record all messages to session.mcap, until Ctrl-C.

    Example: affectline record --hub 192.168.1.20 --out sessions/today --privacy features
    """
    from affectline.services.recorder.spec import SPEC, RecorderProcess, recorder_name

    settings = read_settings(config_file, hub)
    file_access.restrict(group=group_access or settings.sink.group_access)
    folder = out or settings.sink.out or _default_folder()
    mode = choose_delivery(delivery, settings, SPEC.role)
    recorder = RecorderProcess(
        folder=folder,
        privacy=privacy or settings.recording.privacy,
        about=settings.model_copy(update={"delivery": mode}).describe(),
        classifier=settings.classifier,
        name=recorder_name(folder),
    )
    raise typer.Exit(SPEC.run(recorder, settings.hub, mode))


def _default_folder() -> Path:
    return Path("sessions") / time.strftime("%Y%m%d-%H%M%S-recording")
