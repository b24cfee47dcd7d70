"""``affectline control``: command a running pipeline or replay."""

from typing import Annotated

import typer

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.sockets import publish_once
from affectline.common.settings.recording import Privacy
from affectline.common.wire.control import (
    PIPELINE,
    REPLAY,
    Calibrate,
    Command,
    Control,
    Pause,
    Quit,
    Record,
    Seek,
    Step,
    StopRecording,
)
from affectline.common.wire.messages import Packet
from affectline.services.cli.options import ConfigFile, HubAddress, read_settings
from affectline.services.supervisor.replay_plan import parse_rate, parse_time

control = typer.Typer(
    help="Command a running pipeline or replay: pause, seek, record, calibrate, quit.",
    no_args_is_help=True,
)


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
    session: Annotated[str, typer.Argument(help="Name of the new session.")],
    consent: Annotated[
        str, typer.Option(help="Who agreed to be recorded, when and how; stored in the recording.")
    ],
    privacy: Annotated[Privacy, typer.Option(help="What the recording holds.")] = "everything",
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Start recording a running pipeline (affectline up) into a session of its own.

    Example: affectline control record drive7 --consent "Anna, in writing, today"
    """
    action = Record(session=session, privacy=privacy, consent=consent)
    _publish(PIPELINE, action, config_file, hub)


@control.command("stop-recording")
def stop_recording(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Finish the recording that control record has started.

    Example: affectline control stop-recording
    """
    _publish(PIPELINE, StopRecording(), config_file, hub)


@control.command()
def calibrate(
    subject: Annotated[
        str | None, typer.Option(help="Subject ID.  [default: every subject]")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Duration of the rest.")] = 60.0,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Take the next seconds as the state at rest, and their direction of looking as the usual one.

    Example: affectline control calibrate --subject anna --seconds 60
    """
    _publish("fusion", Calibrate(subject=subject, seconds=seconds), config_file, hub)


@control.command("quit")
def quit_pipeline(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Stop a running pipeline in order, as Ctrl-C does.

    Example: affectline control quit
    """
    _publish(PIPELINE, Quit(), config_file, hub)


def _publish(target: str, action: Command, config_file: ConfigFile, hub: HubAddress) -> None:
    where = read_settings(config_file, hub).hub
    command = Control(target=target, at=now_ns(), action=action)
    if not publish_once(where, Packet(command)):
        raise AffectlineError(
            f"no hub on {where.ingress}", "start affectline up first, or name the hub with --hub"
        )
