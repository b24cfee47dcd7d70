"""The processes of the pipeline, one command each: for containers and several hosts."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from affectline.common.settings import pipeline as config
from affectline.common.settings.pipeline import Pace
from affectline.services.cli.options import (
    BackendName,
    ConfigFile,
    DeliveryMode,
    HubAddress,
    LabelSet,
    Model,
    read_settings,
    with_overrides,
)


def hub(
    config_file: ConfigFile = None, hub: HubAddress = None, delivery: DeliveryMode = None
) -> None:
    """Run the hub: the one process that all others connect to.

    Example: affectline hub --hub 0.0.0.0:5555
    """
    from affectline.services.hub import service

    settings = read_settings(config_file, hub)
    raise typer.Exit(service.run(settings.hub, delivery or settings.delivery or "live"))


def capture(
    source: Annotated[str, typer.Argument(help="As for up --source.")] = "sample",
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
    pace: Annotated[Pace | None, typer.Option(help="As for up.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start a file again at its end.")] = False,
) -> None:
    """Publish the pictures of one source.

    Example: affectline capture driver=0 --hub 192.168.1.20
    """
    from affectline.services.capture import stage as service
    from affectline.services.supervisor.plan import consumers, name_sources

    settings = read_settings(config_file, hub)
    chosen = name_sources([source])[0].model_copy(update={"loop": loop})
    mode = delivery or settings.delivery or "live"
    how = pace or settings.pace or ("realtime" if mode == "live" else "fast")
    raise typer.Exit(
        service.run(
            chosen, settings.capture, how, settings.hub, mode, consumers=consumers(settings)
        )
    )


def detector(
    stream: Annotated[
        str, typer.Argument(help="Name of the stream to look for faces in.")
    ] = "sample",
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Find and follow the faces of one stream.

    Example: affectline detector driver --hub 192.168.1.20
    """
    from affectline.services.detector import stage

    settings = read_settings(config_file, hub)
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(stage.run(stream, settings.detector, settings.hub, mode))


def classifier(
    name: Annotated[
        str, typer.Option(help="Tells it from other classifiers.  [default: host name and pid]")
    ] = "",
    model: Model = None,
    answer: LabelSet = None,
    backend: BackendName = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Judge faces; start as many as you like, they share the work.

    Example: affectline classifier --hub 192.168.1.20
    """
    from affectline.services.classifier import stage as service

    settings = read_settings(config_file, hub)
    chosen = with_overrides(settings.classifier, model=model, answer=answer, backend=backend)
    name = name or f"{socket.gethostname().split('.')[0]}-{os.getpid()}"
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(service.run(chosen, settings.hub, mode, name))


def fusion(
    config_file: ConfigFile = None, hub: HubAddress = None, delivery: DeliveryMode = None
) -> None:
    """Say how calm each person is, by heart, skin and face together.

    Example: affectline fusion --hub 192.168.1.20
    """
    from affectline.services.fusion import stage

    settings = read_settings(config_file, hub)
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(stage.run(settings.fusion, settings.hub, mode))


def dashboard(
    host: Annotated[
        str | None, typer.Option(help="Where the page is served.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Its port.  [default: 8080]")
    ] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Serve the page in the browser: pictures, curves, recordings, replays.

    Example: affectline dashboard --hub 192.168.1.20
    """
    from affectline.common.settings.dashboard import DEFAULT_DASHBOARD_PORT
    from affectline.services.dashboard import stage

    settings = read_settings(config_file, hub)
    chosen = with_overrides(
        settings.dashboard,
        host=host,
        port=port or settings.dashboard.port or DEFAULT_DASHBOARD_PORT,
    )
    settings = settings.model_copy(update={"dashboard": chosen})
    raise typer.Exit(stage.run(settings, settings.hub, delivery or settings.delivery or "live"))


def sink(
    out: Annotated[
        Path | None, typer.Option(help="The session folder.  [default: sessions/<time>]")
    ] = None,
    display: Annotated[config.Display | None, typer.Option(help="As for up.")] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Write the emotion timeline of all streams, and show it.

    Example: affectline sink --hub 192.168.1.20 --out sessions/today
    """
    import time

    from affectline.services.sink import stage
    from affectline.services.supervisor.plan import describe_run

    settings = read_settings(config_file, hub)
    folder = out or settings.sink.out or Path("sessions") / time.strftime("%Y%m%d-%H%M%S")
    mode = delivery or settings.delivery or "live"
    about = describe_run(settings.model_copy(update={"delivery": mode}))
    shown = display or settings.sink.display or "none"
    if shown == "browser":
        shown = "none"  # a process of its own: affectline dashboard
    raise typer.Exit(stage.run(folder, (), shown, about, settings.hub, mode))
