"""``affectline up``: run a whole pipeline."""

from pathlib import Path
from typing import Annotated

import typer

from affectline.common.settings import pipeline as config
from affectline.common.settings.sources import Pace
from affectline.services.cli.options import (
    AsJson,
    BackendName,
    ConfigFile,
    DeliveryMode,
    LabelSetName,
    Model,
    PrivacyMode,
    read_settings,
    with_overrides,
    with_recording_overrides,
)


def up(
    config_file: ConfigFile = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Camera index, video file, folder of images, RTSP/HTTP address or 'sample'; "
            "NAME=SOURCE names the stream. Repeatable."
        ),
    ] = None,
    delivery: DeliveryMode = None,
    pace: Annotated[
        Pace | None, typer.Option(help="Play files at their own rate, or as fast as possible.")
    ] = None,
    display: Annotated[
        config.Display | None,
        typer.Option(
            help="Show the annotated video in a window or the browser, or write an MP4.  "
            "[default: browser for cameras on a machine without a screen, else none]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Session folder.  [default: sessions/<time>-<stream>]"),
    ] = None,
    classifiers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of classifier processes.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record all messages to session.mcap.")
    ] = False,
    privacy: PrivacyMode = None,
    report: Annotated[
        bool, typer.Option("--report", help="Record, and write report.html at the end of the run.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Stop after this many seconds.")
    ] = None,
    model: Model = None,
    label_set: LabelSetName = None,
    backend: BackendName = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65529, help="First of the hub's seven ports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a whole pipeline until its sources end, or Ctrl-C.

    Example: affectline up --source drive.mp4 --display mp4 --out sessions/drive
    """
    from affectline.common.recording.reader import FILE
    from affectline.common.settings.sources import name_sources
    from affectline.services.cli.run import run_pipeline
    from affectline.services.supervisor import plan

    settings = read_settings(config_file)
    named = name_sources(source) if source else None
    settings = with_overrides(
        settings,
        sources=named,
        delivery=delivery,
        pace=pace,
        duration=duration,
        hub=with_overrides(settings.hub, port=port),
        sink=with_overrides(settings.sink, display=display, out=out),
        recording=with_recording_overrides(
            settings.recording, record=record, privacy=privacy, report=report
        ),
        classifier=with_overrides(
            settings.classifier,
            instances=classifiers,
            model=model,
            label_set=label_set,
            backend=backend,
        ),
    )
    settings = plan.complete(plan.choose_display(settings, attended=not as_json))
    code = run_pipeline(settings, as_json=as_json)
    folder = settings.sink.out
    if settings.recording.report and folder and (folder / FILE).exists():
        from affectline.services.cli import report as report_command

        report_command.write(folder, quiet=as_json)
    raise typer.Exit(code)
