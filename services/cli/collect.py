"""``affectline collect``: collect labelled faces of volunteers through a web page."""

from pathlib import Path
from typing import Annotated, Final

import typer

from affectline.common import file_access
from affectline.common.runtime.spec import Run
from affectline.common.settings.hub import HubSettings, parse_bind
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import SourceSettings, choose_source
from affectline.services.cli.options import ConfigFile, read_settings, with_overrides
from affectline.services.supervisor.process import ProcessSpec

CAPTURE_DEFAULTS: Final = {"jpeg_quality": 95, "camera_width": 1280}
"""Capture settings, unless a settings file has them: faces that are stored for training deserve
more pixels and bytes than those that are only classified."""


def collect(
    source: Annotated[
        str | None,
        typer.Option(
            help="Camera index, film (looped), address, or the name of a source in the settings.  "
            "[default: the first of the settings, else camera 0]"
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the faces; an existing collection is added to.")
    ] = Path("faces"),
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Where the page is served.  [default: 127.0.0.1:8080, or the next free port]",
        ),
    ] = None,
    ask_token: Annotated[
        bool, typer.Option("--ask-token", help="Require the token on this machine, too.")
    ] = False,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Encrypt with --certificate, or a generated one."),
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate to encrypt with, in PEM.")
    ] = None,
    private_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Private key of the certificate, if in another file."),
    ] = None,
    host: Annotated[str | None, typer.Option(hidden=True)] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, hidden=True)] = None,
    config_file: ConfigFile = None,
) -> None:
    """Collect a dataset of faces: a web page guides volunteers through the seven emotions.

    Example: affectline collect --source 0 --out faces
    """
    from affectline.services.supervisor.supervisor import Supervisor

    file_access.restrict(group=False)
    settings = read_settings(config_file)
    if bind is not None:
        host, port = parse_bind(bind, settings.dashboard.host, settings.dashboard.port)
    named = find_source(source, settings.sources).model_copy(update={"loop": True})
    capture = settings.capture
    for name, value in CAPTURE_DEFAULTS.items():
        if name not in capture.model_fields_set:
            capture = with_overrides(capture, **{name: value})
    settings = with_overrides(
        settings,
        hub=choose_hub(settings.hub),
        sources=(named,),
        delivery="live",
        pace="realtime",
        capture=capture,
        dashboard=with_overrides(
            settings.dashboard,
            host=host,
            port=port,
            ask_token=ask_token or None,
            tls=tls or None,
            certificate=certificate,
            private_key=private_key,
            token_file=settings.dashboard.token_file or out / ".booth-token",
        ),
    )
    Supervisor(settings, quiet=False, processes=plan(settings, out)).run()
    raise typer.Exit


def find_source(given: str | None, listed: tuple[SourceSettings, ...]) -> SourceSettings:
    """Return the source of ``--source``; by default the first of the settings, or camera 0."""
    return listed[0] if listed and given is None else choose_source(given or "0", listed)


def plan(settings: PipelineSettings, out: Path) -> list[ProcessSpec]:
    """Plan the processes of a collection: those that find faces, and the page."""
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
    """Return the hub of the settings, or other ports where a pipeline is running already."""
    from affectline.common.runtime.sockets import taken_ports
    from affectline.services.dashboard.replay_control import find_free_hub

    return find_free_hub(hub) if taken_ports(hub) else hub
