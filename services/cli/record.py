"""``affectline record``: record the messages of a running pipeline."""

import time
from pathlib import Path
from typing import Annotated

import typer

from affectline.common.identifiers import to_name
from affectline.services.cli.options import (
    ConfigFile,
    DeliveryMode,
    HubAddress,
    PrivacyMode,
    read_settings,
)


def record(
    out: Annotated[
        Path | None, typer.Option(help="Session folder.  [default: sessions/<time>-recording]")
    ] = None,
    privacy: PrivacyMode = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Record all messages to session.mcap, until Ctrl-C.

    Example: affectline record --hub 192.168.1.20 --out sessions/today --privacy features
    """
    from affectline.services.recorder import stage as recorder
    from affectline.services.supervisor.plan import describe_run

    settings = read_settings(config_file, hub)
    folder = out or settings.sink.out or _default_folder()
    mode = delivery or settings.delivery or "live"
    about = describe_run(settings.model_copy(update={"delivery": mode}))
    chosen = privacy or settings.recording.privacy
    name = service_name(folder)
    raise typer.Exit(recorder.run(folder, chosen, (), about, settings.hub, mode, name=name))


def service_name(folder: Path) -> str:
    """Return the name on the bus of the recorder that writes to a folder.

    It differs from ``recorder``, which the pipeline's own recorder is called. It depends on the
    folder alone, so that a recorder that continues after a crash has the same name again.
    """
    return f"recorder/{to_name(folder.resolve().name) or 'command'}"


def _default_folder() -> Path:
    return Path("sessions") / time.strftime("%Y%m%d-%H%M%S-recording")
