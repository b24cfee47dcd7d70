"""The command line: ``affectline``."""

import json
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from common import config
from common.config import Delivery, HubSettings, Pace, PipelineSettings
from common.errors import AffectlineError
from services.complaints import run_complaining

app = typer.Typer(
    help="Live video in, emotion timelines out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

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
BackendName = Annotated[
    config.Backend | None,
    typer.Option(help="litert serves; tensorflow runs the reference that the model was made from."),
]


def _settings(path: Path | None, hub: str | None = None) -> PipelineSettings:
    settings = config.load(path) if path else PipelineSettings()
    if hub:
        settings = settings.model_copy(update={"hub": _parse_hub(hub, settings.hub)})
    return settings


def _change(settings: Any, **values: Any) -> Any:
    """Settings with those values changed that were given on the command line."""
    return settings.model_copy(update={k: v for k, v in values.items() if v is not None})


def _parse_hub(text: str, default: HubSettings) -> HubSettings:
    host, _, port = text.removeprefix("tcp://").partition(":")
    if not host or (port and not (port.isdecimal() and 1 <= int(port) <= 65530)):
        raise AffectlineError(
            f"--hub {text}: not HOST or HOST:PORT with a port from 1 to 65530",
            "for example --hub 192.168.1.20:5555",
        )
    return HubSettings(host=host, port=int(port) if port else default.port)


@app.command()
def up(
    config_file: ConfigFile = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Camera index, video file, folder of pictures, RTSP/HTTP address or 'sample'; "
            "NAME=SOURCE names the stream. May be given several times."
        ),
    ] = None,
    delivery: DeliveryMode = None,
    pace: Annotated[
        Pace | None, typer.Option(help="Files: at their own rate, or as fast as they are consumed.")
    ] = None,
    display: Annotated[
        config.Display | None, typer.Option(help="Show the overlay in a window, or write an MP4.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The session folder itself.  [default: sessions/<time>-<stream>]"),
    ] = None,
    classifiers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of classifier processes.")
    ] = None,
    model: Model = None,
    backend: BackendName = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65530, help="First of the hub's six ports.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Run the whole pipeline until its sources end, or Ctrl-C.

    Example: affectline up --source drive.mp4 --display mp4 --out sessions/drive
    """
    from services import launcher, summary

    settings = _settings(config_file)
    named = launcher.name_sources(source) if source else None
    settings = _change(
        settings,
        sources=named,
        delivery=delivery,
        pace=pace,
        hub=_change(settings.hub, port=port),
        sink=_change(settings.sink, display=display, out=out),
        classifier=_change(
            settings.classifier, instances=classifiers, model=model, backend=backend
        ),
    )
    raise typer.Exit(summary.run(launcher.complete(settings), as_json=as_json))


@app.command()
def hub(
    config_file: ConfigFile = None, hub: HubAddress = None, delivery: DeliveryMode = None
) -> None:
    """Run the hub: the one process that all others connect to.

    Example: affectline hub --hub 0.0.0.0:5555
    """
    from services import hub as service

    settings = _settings(config_file, hub)
    raise typer.Exit(service.run(settings.hub, delivery or settings.delivery or "live"))


@app.command()
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
    from services.capture import stage as service
    from services.launcher import name_sources

    settings = _settings(config_file, hub)
    chosen = name_sources([source])[0].model_copy(update={"loop": loop})
    mode = delivery or settings.delivery or "live"
    how = pace or settings.pace or ("realtime" if mode == "live" else "fast")
    raise typer.Exit(service.run(chosen, settings.capture, how, settings.hub, mode))


@app.command()
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
    from services.detector import stage

    settings = _settings(config_file, hub)
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(stage.run(stream, settings.detector, settings.hub, mode))


@app.command()
def classifier(
    name: Annotated[
        str, typer.Option(help="Tells it from other classifiers.  [default: host name and pid]")
    ] = "",
    model: Model = None,
    backend: BackendName = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Judge faces; start as many as you like, they share the work.

    Example: affectline classifier --hub 192.168.1.20
    """
    from services import classifier as service

    settings = _settings(config_file, hub)
    chosen = _change(settings.classifier, model=model, backend=backend)
    name = name or f"{socket.gethostname().split('.')[0]}-{os.getpid()}"
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(service.run(chosen, settings.hub, mode, name))


@app.command()
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

    from services.launcher import describe_run
    from services.sink import stage

    settings = _settings(config_file, hub)
    folder = out or settings.sink.out or Path("sessions") / time.strftime("%Y%m%d-%H%M%S")
    mode = delivery or settings.delivery or "live"
    about = describe_run(settings.model_copy(update={"delivery": mode}))
    shown = display or settings.sink.display
    raise typer.Exit(stage.run(folder, (), shown, about, settings.hub, mode))


@app.command()
def subscribe(
    prefix: Annotated[str, typer.Argument(help="Beginning of the topics, e.g. emotion/.")] = "",
    address: Annotated[str | None, typer.Option(help="The hub's outlet.")] = None,
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="json: one object a line.")
    ] = "table",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
) -> None:
    """Listen in, as any other tool would.

    Example: affectline subscribe emotion/ --format json --count 100
    """
    from services import listening

    listening.run(prefix, address or HubSettings().outlet, form, count)


@app.command()
def schema(
    message: Annotated[str | None, typer.Argument(help="Name of a message, e.g. Emotion.")] = None,
) -> None:
    """Print the JSON Schema of one message, or of all.

    Example: affectline schema Emotion
    """
    from common.messages import MESSAGES

    if message is None:
        result: Any = {name: kind.model_json_schema() for name, kind in MESSAGES.items()}
    elif message in MESSAGES:
        result = MESSAGES[message].model_json_schema()
    else:
        raise AffectlineError(
            f"MESSAGE {message}: there is no such message", f"name one of {', '.join(MESSAGES)}"
        )
    typer.echo(json.dumps(result, indent=2))


@app.command()
def doctor(
    config_file: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65530, help="First of the six ports to look at.")
    ] = None,
) -> None:
    """Check camera, display, ports, model and packages; say how to mend what is wrong.

    Example: affectline doctor
    """
    from services import summary
    from services.doctor import examine

    settings = _settings(config_file)
    findings = list(examine(_change(settings.hub, port=port), settings.classifier.model))
    summary.print_findings(findings)
    raise typer.Exit(int(any(finding.state == "failure" for finding in findings)))


def main() -> None:
    """Run the command line; every error is one line."""
    run_complaining(lambda: app(standalone_mode=False))


if __name__ == "__main__":
    main()
