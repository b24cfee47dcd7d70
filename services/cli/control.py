"""``affectline control``: control a running pipeline or replay."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import MOST_TYPED
from affectline.common.runtime.endpoints import require_role
from affectline.common.runtime.keys import KeyRole
from affectline.common.runtime.marking import require_hub
from affectline.common.runtime.recordings import make_record, start_recording, stop_recording
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.recording import Privacy
from affectline.common.settings.study import StudySettings
from affectline.common.wire.biometrics import State
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

FUSION: Final = "fusion"
START_S: Final = 3.0
"""How long a replay that is being started may take."""
ANSWER_S: Final = 3.0
"""How long the first state after a command may take, or twice the time between two states: live,
there is one a second in silence as well."""
POLL_S: Final = 0.05

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
    _tell_replay(Pause(), config_file, hub)


@control.command()
def step(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Pause a replay and show its next frame.

    Example: affectline control step
    """
    _tell_replay(Step(), config_file, hub)


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
    action = Seek(position_s=parse_time(position, "TIME"), rate=parse_rate(rate) if rate else None)
    _tell_replay(action, config_file, hub)


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

    It returns when the calibration has begun, or says who is there instead.

    Example: affectline control calibrate --subject anna --seconds 60
    """
    try:
        action = Calibrate(subject=subject, seconds=seconds)
    except ValidationError as error:
        raise AffectlineError(
            f"--subject {subject}: not the ID of a subject", "letters, digits, '.', '_' and '-'"
        ) from error
    settings = read_settings(config_file, hub)
    _calibrate(settings.hub, action, max(ANSWER_S, 2 / settings.fusion.rate))
    typer.echo(f"calibrating {subject or 'everybody'} for {seconds:g} s")


@control.command("quit")
def quit_pipeline(config_file: ConfigFile = None, hub: HubAddress = None) -> None:
    """Stop a running pipeline properly, as Ctrl-C does.

    Example: affectline control quit
    """
    action = Quit()
    with _listening(read_settings(config_file, hub).hub, action) as listener:
        _publish(listener, PIPELINE, action)


def _tell_replay(action: Pause | Step | Seek, config_file: ConfigFile, hub: HubAddress) -> None:
    """Send a command to a running replay.

    Raises:
        AffectlineError: There is none.
    """
    where = read_settings(config_file, hub).hub
    with _listening(where, action) as listener:
        deadline = time.monotonic() + START_S
        while not listener.is_ready(REPLAY):
            if time.monotonic() > deadline:
                raise AffectlineError(
                    f"{action.command}: nothing is replayed on {where.ingress}",
                    "it is for affectline replay; name its hub with --hub",
                )
            listener.wait(timeout_s=POLL_S)
        _publish(listener, REPLAY, action)


def _calibrate(hub: HubSettings, action: Calibrate, answer_s: float) -> None:
    """Start a calibration; return when a state shows that it has begun.

    Raises:
        AffectlineError: There is no pipeline, or nobody to calibrate.
    """
    subjects: set[str] = set()
    with _listening(hub, action, (f"{State.topic_prefix}/",)) as listener:
        _publish(listener, FUSION, action)
        deadline = time.monotonic() + answer_s
        while (left_s := deadline - time.monotonic()) > 0:
            listener.wait(timeout_s=left_s)
            for packet in listener.receive():
                state = packet.message
                if not isinstance(state, State):
                    continue
                subjects.add(state.subject)
                is_meant = action.subject in (None, state.subject)
                if is_meant and state.baseline == "calibrating":
                    return
    who = f"of {action.subject}" if action.subject else "of anybody"
    there = f"there are {', '.join(sorted(subjects))}" if subjects else "nobody is there"
    raise AffectlineError(
        f"calibrate: no state {who} within {answer_s:.0f} s: {there}",
        f"who appears within {action.seconds:g} s, or when a paused replay goes on, is calibrated",
    )


@contextmanager
def _listening(
    hub: HubSettings, action: Command, prefixes: tuple[str, ...] = ()
) -> Iterator[OutletSubscriber]:
    """A connection to a hub for a command.

    Raises:
        AffectlineError: There is no hub, or this process's key does not allow the command.
    """
    require_role(hub, f"control {action.command}", ("pipeline",))
    listener = OutletSubscriber(hub, prefixes)
    try:
        require_hub(listener, hub)
        yield listener
    finally:
        listener.close()


def _publish(listener: OutletSubscriber, target: str, action: Command) -> None:
    """Publish a command.

    Raises:
        AffectlineError: The hub does not accept it in time.
    """
    command = Packet(Control(target=target, at=now_ns(), action=action))
    deadline = time.monotonic() + START_S
    while not listener.publish(command, wait=True):
        if time.monotonic() > deadline:
            raise AffectlineError(
                f"{action.command}: the hub does not accept commands",
                "it may hang; see affectline's log",
            )
