"""``affectline up``."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.settings import pipeline as config
from affectline.common.settings.pipeline import Pace
from affectline.services.cli.options import (
    BackendName,
    ConfigFile,
    DeliveryMode,
    LabelSetName,
    Model,
    PrivacyMode,
    change,
    change_recording,
    read_settings,
)


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
        config.Display | None,
        typer.Option(
            help="Show it in a window or in the browser, or write an MP4.  [default: browser for "
            "cameras where there is no screen]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The session folder itself.  [default: sessions/<time>-<stream>]"),
    ] = None,
    classifiers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of classifier processes.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record the session: session.mcap in its folder.")
    ] = False,
    privacy: PrivacyMode = None,
    report: Annotated[
        bool, typer.Option("--report", help="Record, and write report.html at the end.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option(min=1, help="End after so many seconds.")
    ] = None,
    model: Model = None,
    label_set: LabelSetName = None,
    backend: BackendName = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65529, help="First of the hub's seven ports.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Run the whole pipeline until its sources end, or Ctrl-C.

    Example: affectline up --source drive.mp4 --display mp4 --out sessions/drive
    """
    from affectline.common.recording.reader import FILE
    from affectline.common.settings.pipeline import name_sources
    from affectline.services.cli import run as summary
    from affectline.services.supervisor import plan as planning

    settings = read_settings(config_file)
    named = name_sources(source) if source else None
    settings = change(
        settings,
        sources=named,
        delivery=delivery,
        pace=pace,
        duration=duration,
        hub=change(settings.hub, port=port),
        sink=change(settings.sink, display=display, out=out),
        recording=change_recording(
            settings.recording, record=record, privacy=privacy, report=report
        ),
        classifier=change(
            settings.classifier,
            instances=classifiers,
            model=model,
            label_set=label_set,
            backend=backend,
        ),
    )
    settings = planning.complete(planning.choose_display(settings, attended=not as_json))
    code = summary.run(settings, as_json=as_json)
    folder = settings.sink.out
    if settings.recording.report and folder and (folder / FILE).exists():
        from affectline.services.cli.reporting import report_on

        report_on(folder, folder / "report.html", quiet=as_json)
    raise typer.Exit(code)
