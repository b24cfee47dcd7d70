"""The command ``lsl-outlet``."""

from typing import Annotated

import typer

from affectline.services.cli.options import ConfigFile, DeliveryOfProcess, HubAddress, read_settings
from affectline.services.cli.processes import choose_delivery


def lsl_outlet(
    stream: Annotated[
        list[str] | None, typer.Option(help="Create this video stream's outlet at the start.")
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Create the outlet of this subject's state at the start."),
    ] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryOfProcess = None,
) -> None:
    """Publish emotions, states and markers as streams of the Lab Streaming Layer.

    Example: affectline lsl-outlet --stream driver --subject person
    """
    from affectline.services.lsl.spec import SPEC, LslProcess

    settings = read_settings(config_file, hub)
    mode = choose_delivery(delivery, settings, SPEC.role)
    streams = stream or [source.name for source in settings.sources]
    process = LslProcess(streams=tuple(streams), subjects=tuple(subject or ()))
    raise typer.Exit(SPEC.run(process, settings.hub, mode))
