"""Recording sessions, looking at them, and replaying them."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from affectline.common.settings import pipeline as config
from affectline.services.cli.options import (
    BackendName,
    ConfigFile,
    DeliveryMode,
    HubAddress,
    LabelSetName,
    Model,
    PrivacyMode,
    change,
    change_recording,
    read_settings,
)

SessionFile = Annotated[Path, typer.Argument(metavar="FILE", help="session.mcap, or its folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def record(
    out: Annotated[
        Path | None, typer.Option(help="The session folder.  [default: sessions/<time>-recording]")
    ] = None,
    privacy: PrivacyMode = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Record what goes over the bus, until Ctrl-C.

    Example: affectline record --hub 192.168.1.20 --out sessions/today --privacy features
    """
    from affectline.services.recorder.spec import SPEC, RecorderProcess, recorder_name

    settings = read_settings(config_file, hub)
    folder = out or settings.sink.out or _new_folder()
    mode = delivery or settings.delivery or "live"
    recorder = RecorderProcess(
        folder=folder,
        privacy=privacy or settings.recording.privacy,
        about=settings.model_copy(update={"delivery": mode}).describe(),
        classifier=settings.classifier,
        name=recorder_name(folder),
    )
    raise typer.Exit(SPEC.run(recorder, settings.hub, mode))


def _new_folder() -> Path:
    return Path("sessions") / time.strftime("%Y%m%d-%H%M%S-recording")


def replay(
    file: SessionFile,
    rate: Annotated[str, typer.Option(help="Times as fast, e.g. 0.5, 1, 4, or max.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Begin so far in, e.g. 30s or 1m30s.")
    ] = "0s",
    topics: Annotated[
        list[str] | None, typer.Option(help="Only topics that begin so; several times or a,b.")
    ] = None,
    reanalyse: Annotated[
        bool, typer.Option("--reanalyse", help="Judge pictures and signals again.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write a session folder, as up does.  [default: none]")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record the replay as well, into --out.")
    ] = False,
    privacy: PrivacyMode = None,
    display: Annotated[config.Display | None, typer.Option(help="As for up.")] = None,
    model: Model = None,
    label_set: LabelSetName = None,
    backend: BackendName = None,
    config_file: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65529, help="First of the hub's seven ports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a recorded session on the wire again. Space pauses, . steps, q quits.

    Example: affectline replay sessions/drive --rate 4 --from 1m30s
    """
    from affectline.common.runtime.keyboard import HELP
    from affectline.services.cli import run as summary
    from affectline.services.replay.spec import ReplaySettings
    from affectline.services.supervisor import replay_plan as replaying

    settings = read_settings(config_file)
    settings = change(
        settings,
        hub=change(settings.hub, port=port),
        sink=change(settings.sink, out=out, display=display),
        recording=change_recording(settings.recording, record=record, privacy=privacy),
        classifier=change(settings.classifier, model=model, label_set=label_set, backend=backend),
    )
    chosen = ReplaySettings(
        file=file.absolute(),
        rate=replaying.parse_rate(rate),
        loop=loop,
        begin_s=replaying.parse_time(begin),
        topics=tuple(part for text in topics or () for part in text.split(",") if part),
        reanalyse=reanalyse,
    )
    settings = replaying.prepare(settings, chosen)
    tasks = replaying.plan_replay(settings, chosen)
    raise typer.Exit(summary.run(settings, as_json=as_json, tasks=tasks, note=HELP))


def sessions(
    folder: Annotated[Path, typer.Argument(help="Where session folders are.")] = Path("sessions"),
    as_json: AsJson = False,
) -> None:
    """List the sessions.

    Example: affectline sessions
    """
    from affectline.services.sessions import catalog as session_tables

    found = list(session_tables.find(folder))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        session_tables.print_list(folder, found)


def info(file: SessionFile, as_json: AsJson = False) -> None:
    """Describe a recording: what it holds, when, and of what.

    Example: affectline info sessions/drive
    """
    from affectline.services.sessions import catalog as session_tables

    described = session_tables.describe(file)
    if as_json:
        typer.echo(json.dumps(described, indent=2))
    else:
        session_tables.print_info(described)


def check(file: SessionFile, as_json: AsJson = False) -> None:
    """Verify a recording from its first byte to its last; exit code 1 if anything is wrong.

    Example: affectline check sessions/drive
    """
    from affectline.services.sessions import catalog as session_tables

    result = session_tables.verify(file)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        session_tables.print_check(result)
    raise typer.Exit(0 if result["sound"] else 1)
