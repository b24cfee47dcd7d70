"""``affectline control``: control a running pipeline or replay."""

from typing import Annotated, Final

import typer

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import MOST_TYPED
from affectline.common.runtime.endpoints import require_role
from affectline.common.runtime.keys import KeyRole
from affectline.common.runtime.recordings import make_record, start_recording, stop_recording
from affectline.common.runtime.sockets import publish_once
from affectline.common.settings.recording import Privacy
from affectline.common.settings.study import StudySettings
from affectline.common.wire.control import (
    PIPELINE,
    REPLAY,
    Calibrate,
    Command,
    Control,
    Pause,
    Quit,
    Seek,
    Step,
)
from affectline.common.wire.messages import Packet
from affectline.services.cli.options import (
    Condition,
    ConfigFile,
    HubAddress,
    Participant,
    RunLabel,
    StudySession,
    Task,
    read_settings,
    with_study,
)
from affectline.services.supervisor.replay_plan import parse_rate, parse_time

control = typer.Typer(
    help="Control a running pipeline or replay: pause, seek, record, calibrate, quit.",
    no_args_is_help=True,
)

RECORDING: Final[tuple[KeyRole, ...]] = ("operator", "pipeline")
"""Roles of keys that may start and stop recordings."""


@control.command()
def pause(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Pause a replay, or resume it.

    Example: affectline control pause
    """
    _publish(REPLAY, Pause(), config_file, hub)


@control.command()
def step(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Pause a replay and show its next frame.

    Example: affectline control step
    """
    _publish(REPLAY, Step(), config_file, hub)


@control.command()
def seek(
    position: Annotated[
        str, typer.Argument(metavar="TIME", help="Position in the recording, e.g. 30s or 1m30s.")
    ],
    rate: Annotated[
        str | None, typer.Option(help="New speed, e.g. 0.5 or 4.  [default: unchanged]")
    ] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Continue a replay at another position.

    Example: affectline control seek 1m30s --rate 2
    """
    action = Seek(position_s=parse_time(position), rate=parse_rate(rate) if rate else None)
    _publish(REPLAY, action, config_file, hub)


@control.command()
def record(
    session: Annotated[
        str,
        typer.Argument(help="Name of the new session, as you like it; its folder's is made of it."),
    ],
    consent: Annotated[
        str, typer.Option(help="Who agreed to be recorded, when and how; stored in the recording.")
    ],
    privacy: Annotated[Privacy, typer.Option(help="What the recording keeps.")] = "everything",
    participant: Participant = None,
    study_session: StudySession = None,
    task: Task = None,
    run: RunLabel = None,
    condition: Condition = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Start recording a running pipeline (affectline up) into a session of its own.

    It returns when the recorder is running, or says why it is not.

    Example: affectline control record "Anna's 2nd drive" --consent "Anna, in writing, today"
    """
    study = with_study(
        StudySettings(), participant=participant, session=study_session, task=task, run=run,
        condition=condition,
    ).flat()  # fmt: skip
    if len(session.strip()) > MOST_TYPED:
        raise AffectlineError(
            f"SESSION: {len(session.strip())} characters", f"a name has {MOST_TYPED} at most"
        )
    action = make_record(session, privacy=privacy, consent=consent, study=study)
    where = read_settings(config_file, hub).hub
    require_role(where, "control record", RECORDING)
    name = start_recording(where, action)
    into = "" if name == session else f" into the folder {name}"
    typer.echo(f"recording {session}{into}")


@control.command("stop-recording")
def finish_recording(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Finish the recording that control record started; returns when its file is complete.

    Example: affectline control stop-recording
    """
    where = read_settings(config_file, hub).hub
    require_role(where, "control stop-recording", RECORDING)
    typer.echo(f"recorded {stop_recording(where)}")


@control.command()
def calibrate(
    subject: Annotated[
        str | None, typer.Option(help="Subject ID.  [default: every subject]")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Duration of the rest period.")
    ] = 60.0,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Use the next seconds as the baseline, and the head's direction in them as the usual one.

    Example: affectline control calibrate --subject anna --seconds 60
    """
    _publish("fusion", Calibrate(subject=subject, seconds=seconds), config_file, hub)


@control.command("quit")
def quit_pipeline(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Stop a running pipeline properly, as Ctrl-C does.

    Example: affectline control quit
    """
    _publish(PIPELINE, Quit(), config_file, hub)


def _publish(target: str, action: Command, config_file: ConfigFile, hub: HubAddress) -> None:
    where = read_settings(config_file, hub).hub
    require_role(where, f"control {action.command}", ("pipeline",))
    command = Control(target=target, at=now_ns(), action=action)
    if not publish_once(where, Packet(command)):
        raise AffectlineError(
            f"no hub on {where.ingress}", "start affectline up first, or name the hub with --hub"
        )
