"""``affectline collect``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from affectline.common.runtime.spec import Run
from affectline.common.settings.pipeline import HubSettings, PipelineSettings
from affectline.services.cli.options import ConfigFile, change, read_settings
from affectline.services.supervisor.process import ProcessSpec

LARGE: Final = {"jpeg_quality": 95, "camera_width": 1280}
"""Settings of the capture, unless a file has them. Faces are kept: they are worth more pixels and
more bytes on their way than those that are only looked at."""


def collect(
    source: Annotated[
        str, typer.Option(help="Camera index, or a video file (which starts again at its end).")
    ] = "0",
    out: Annotated[
        Path, typer.Option(help="The folder that the faces go to; an earlier one is gone on with.")
    ] = Path("faces"),
    host: Annotated[
        str | None, typer.Option(help="Where the page is served.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its port.  [default: 8080, or the next]")
    ] = None,
    config_file: ConfigFile = None,
) -> None:
    """Collect faces of your own: a page leads people through the seven emotions.

    Example: affectline collect --source 0 --out faces
    """
    from affectline.common.settings.pipeline import name_sources
    from affectline.services.supervisor.supervisor import Supervisor

    settings = read_settings(config_file)
    named = name_sources([source])[0].model_copy(update={"loop": True})
    capture = settings.capture
    for name, value in LARGE.items():
        if name not in capture.model_fields_set:
            capture = change(capture, **{name: value})
    settings = change(
        settings,
        hub=choose_hub(settings.hub),
        sources=(named,),
        delivery="live",
        pace="realtime",
        capture=capture,
        dashboard=change(
            settings.dashboard,
            host=host,
            port=port,
            token_file=settings.dashboard.token_file or out / ".booth-token",
        ),
    )
    launcher = Supervisor(settings, quiet=False, processes=plan(settings, out))
    launcher.run()
    raise typer.Exit


def plan(settings: PipelineSettings, out: Path) -> list[ProcessSpec]:
    """The processes that find faces, and the page."""
    from affectline.services.collect.spec import CollectProcess
    from affectline.services.registry import SPECS

    run = Run(settings)
    page = CollectProcess(page=settings.dashboard, folder=out.absolute(), hub=settings.hub)
    planned = [
        ProcessSpec(SPECS[kind], one)
        for kind in ("hub", "detector", "classifier", "capture")
        for one in SPECS[kind].planned(run)
    ]
    return [*planned, ProcessSpec(SPECS["collect"], page)]


def choose_hub(hub: HubSettings) -> HubSettings:
    """The hub of the settings, or ports near by where a pipeline is running already."""
    from affectline.common.runtime.sockets import taken_ports
    from affectline.services.dashboard.replay_control import free_hub

    return free_hub(hub) if taken_ports(hub) else hub
