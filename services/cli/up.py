"""``affectline up``: run a whole pipeline."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectline.common.errors import AffectlineError
from affectline.common.settings.choices import Display, Pace
from affectline.services.cli.options import (
    AnswerName,
    AsJson,
    BackendName,
    BindHub,
    CalibrationFile,
    Condition,
    ConfigFile,
    DeliveryMode,
    DetectorName,
    GroupAccess,
    HubPort,
    Model,
    Participant,
    PrivacyMode,
    RunLabel,
    Stats,
    StudySession,
    Task,
    read_settings,
    with_bind,
    with_calibration,
    with_detector,
    with_overrides,
    with_recording_overrides,
    with_study,
)

if TYPE_CHECKING:
    from affectline.common.settings.pipeline import PipelineSettings


def parse_speed(rate: float | None, pace: Pace | None) -> float | None:
    """The value of ``--rate``, beside that of ``--pace``.

    Raises:
        AffectlineError: It is no speed, or nothing is played at it.
    """
    if rate is None:
        return None
    if not 0 < rate <= 1000:
        raise AffectlineError(f"--rate {rate:g}: not above 0 and at most 1000", "such as 4")
    if pace == "fast":
        raise AffectlineError(
            f"--rate {rate:g} with --pace fast: fast is as fast as possible", "leave one out"
        )
    return rate


def up(
    context: typer.Context,
    config_file: ConfigFile = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Camera index, film, picture, folder of pictures, RTSP/HTTP address, - (standard "
            "input), 'sample', or NAME=SOURCE; repeatable.  [default: sample, a short clip]"
        ),
    ] = None,
    as_film: Annotated[
        float | None,
        typer.Option(
            "--as-film",
            metavar="RATE",
            help="Treat folders of pictures as films with this many frames a second.  [default: "
            "each picture on its own]",
        ),
    ] = None,
    delivery: DeliveryMode = None,
    pace: Annotated[
        Pace | None, typer.Option(help="Play films at their own rate, or as fast as possible.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Play films at N times their own rate; implies --pace realtime."
        ),
    ] = None,
    display: Annotated[
        Display | None,
        typer.Option(
            help="Annotated video in a window (K: snapshot, M: marker, Q: quit), in the browser, "
            "or as an MP4 with the film's sound.  "
            "[default: none; browser for cameras where there is no screen]"
        ),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the page of --display browser.")
    ] = False,
    stats: Stats = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Session folder.  [default: sessions/<time>-<stream>]"),
    ] = None,
    group_access: GroupAccess = False,
    classifiers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of classifier processes.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record all messages to session.mcap.")
    ] = False,
    privacy: PrivacyMode = None,
    report: Annotated[
        bool, typer.Option("--report", help="Record, and write report.html at the end.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Stop after this many seconds.")
    ] = None,
    participant: Participant = None,
    session: StudySession = None,
    task: Task = None,
    run: RunLabel = None,
    condition: Condition = None,
    detector: DetectorName = None,
    model: Model = None,
    answer: AnswerName = None,
    backend: BackendName = None,
    calibration: CalibrationFile = None,
    bind: BindHub = None,
    port: HubPort = None,
    as_json: AsJson = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what every process did and when, in Chrome's trace event format, and show "
            "the slowest frames.",
        ),
    ] = None,
) -> None:
    """Run a whole pipeline until its sources end, or Ctrl-C.

    Example: affectline up --source drive.mp4 --display mp4 --out sessions/drive
    """
    from affectline.common.settings.source_kind import check_readable
    from affectline.common.settings.sources import name_sources, take_as_films
    from affectline.services.cli.run import run_pipeline
    from affectline.services.supervisor import plan
    from affectline.services.supervisor.trace_file import TraceFile

    settings = read_settings(config_file)
    sources = name_sources(source) if source else settings.sources
    for one in sources:
        check_readable(one.source)
    settings = with_overrides(
        settings,
        sources=sources if as_film is None else take_as_films(sources, as_film),
        delivery=delivery,
        rate=parse_speed(rate, pace),
        pace=pace if rate is None else "realtime",
        duration=duration,
        hub=with_bind(settings.hub, bind, port),
        sink=with_overrides(
            settings.sink,
            display=display,
            stats=stats or None,
            out=out,
            group_access=group_access or None,
        ),
        dashboard=with_overrides(settings.dashboard, open_browser=False if no_open else None),
        recording=with_recording_overrides(
            settings.recording, record=record, privacy=privacy, report=report
        ),
        study=with_study(
            settings.study,
            participant=participant,
            session=session,
            task=task,
            run=run,
            condition=condition,
        ),
        detector=with_detector(settings.detector, detector),
        classifier=with_overrides(
            settings.classifier,
            instances=classifiers,
            model=model,
            answer=answer,
            backend=backend,
        ),
    )
    classifier = with_calibration(settings.classifier, calibration, settings.study.participant)
    with ExitStack() as run_time:
        settings = plan.complete(plan.choose_display(settings, attended=not as_json), run_time)
        settings = with_overrides(settings, classifier=classifier)
        plan.check_names(settings)
        if settings.retention.days is not None:
            _apply_retention(settings)
        parts = run_time.enter_context(TraceFile(trace)).folder if trace else None
        code = run_pipeline(settings, as_json=as_json, trace=parts, fork_server=context.obj)
    if trace and not as_json:
        _show_slow_frames(trace)
    if settings.recording.report and settings.sink.out:
        _write_report(settings.sink.out, quiet=as_json)
    raise typer.Exit(code)


def _apply_retention(settings: "PipelineSettings") -> None:
    from affectline.services.sessions.removal import apply_retention

    if done := apply_retention(settings.retention, settings.dashboard.sessions):
        typer.echo(f"affectline: retention: {done}", err=True)


def _show_slow_frames(trace: Path) -> None:
    from affectline.services.supervisor.slow_frames import find_slow_frames, slow_frame_lines
    from affectline.services.supervisor.trace_file import read_events

    typer.echo("\n".join(slow_frame_lines(find_slow_frames(lambda: read_events(trace)))))


def _write_report(folder: Path, *, quiet: bool) -> None:
    from affectline.common.recording.reader import FILE
    from affectline.services.cli import report

    if (folder / FILE).exists():
        report.write(folder, quiet=quiet)
