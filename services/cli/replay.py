"""``affectline replay``: publish a recorded session again."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from affectline.common.settings.choices import Display
from affectline.services.cli.options import (
    AnswerName,
    AsJson,
    BackendName,
    BindHub,
    CalibrationFile,
    ConfigFile,
    DetectorName,
    GroupAccess,
    HubPort,
    Model,
    PrivacyMode,
    SessionFile,
    Stats,
    read_settings,
    with_bind,
    with_calibration,
    with_detector,
    with_overrides,
    with_recording_overrides,
)


def replay(
    context: typer.Context,
    file: SessionFile,
    rate: Annotated[str, typer.Option(help="Speed factor, e.g. 0.5, 1, 4, or max.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Loop.")] = False,
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Start at this time, e.g. 30s or 1m30s.")
    ] = "0s",
    topics: Annotated[
        list[str] | None,
        typer.Option(help="Replay only topics with this prefix; repeat the option, or a,b."),
    ] = None,
    reanalyse: Annotated[
        bool, typer.Option("--reanalyse", help="Re-run detection, classification and fusion.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write a session folder, as up does.  [default: none]")
    ] = None,
    group_access: GroupAccess = False,
    record: Annotated[
        bool, typer.Option("--record", help="Record the replay as well, into --out.")
    ] = False,
    privacy: PrivacyMode = None,
    display: Annotated[Display | None, typer.Option(help="As in affectline up.")] = None,
    stats: Stats = False,
    detector: DetectorName = None,
    model: Model = None,
    answer: AnswerName = None,
    backend: BackendName = None,
    calibration: CalibrationFile = None,
    config_file: ConfigFile = None,
    bind: BindHub = None,
    port: HubPort = None,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded session. Space pauses, . steps by one frame, q quits.

    Example: affectline replay sessions/drive --rate 4 --from 1m30s
    """
    from affectline.common.runtime.keyboard import HELP
    from affectline.services.cli.run import run_pipeline
    from affectline.services.replay.spec import ReplaySettings
    from affectline.services.supervisor import replay_plan

    settings = read_settings(config_file)
    settings = with_overrides(
        settings,
        hub=with_bind(settings.hub, bind, port),
        sink=with_overrides(
            settings.sink,
            out=out,
            display=display,
            stats=stats or None,
            group_access=group_access or None,
        ),
        recording=with_recording_overrides(settings.recording, record=record, privacy=privacy),
        detector=with_detector(settings.detector, detector),
        classifier=with_calibration(
            with_overrides(settings.classifier, model=model, answer=answer, backend=backend),
            calibration,
        ),
    )
    chosen = ReplaySettings(
        file=file.absolute(),
        rate=replay_plan.parse_rate(rate),
        loop=loop,
        begin_s=replay_plan.parse_time(begin),
        topics=tuple(part for text in topics or () for part in text.split(",") if part),
        reanalyse=reanalyse,
    )
    with ExitStack() as claims:
        settings = replay_plan.prepare(settings, chosen, claims)
        processes = replay_plan.plan_replay(settings, chosen)
        code = run_pipeline(
            settings, as_json=as_json, processes=processes, keys_help=HELP, fork_server=context.obj
        )
    raise typer.Exit(code)
