"""Starting and stopping recordings of a running pipeline, from outside it."""

import time
from collections.abc import Mapping
from typing import Final

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import is_numbered, safe_name
from affectline.common.runtime.marking import require_hub
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.settings.recording import Privacy
from affectline.common.wire.control import PIPELINE, Control, Record, StopRecording
from affectline.common.wire.messages import Packet
from affectline.common.wire.recordings import RecordingStatus

PATIENCE_S: Final = 20.0
"""Seconds that a recorder may take to start, or to finish its file."""
POLL_S: Final = 0.1


def make_record(typed: str, *, privacy: Privacy, consent: str, study: Mapping[str, str]) -> Record:
    """Make a command to record a session with a name that somebody typed.

    Raises:
        ValidationError: One of the values is not valid.
    """
    return Record.model_validate({
        "session": safe_name(typed), "title": typed.strip() or None, "privacy": privacy,
        "consent": consent, "study": dict(study),
    })  # fmt: skip


def start_recording(hub: HubSettings, action: Record) -> str:
    """Start a recording in a running pipeline; return when the recorder runs.

    Args:
        hub: The pipeline's hub.
        action: The session to record, and how.

    Returns:
        The name of the session, which is also that of its folder.

    Raises:
        AffectlineError: There is no pipeline, or it does not start the recording.
    """
    listener = _listen(hub)
    try:
        if names := recordings_among(listener.ready):
            raise AffectlineError(f"{', '.join(names)} is being recorded", "stop it first")
        states = ("recording", "refused", "failed")
        status = _command(listener, action, {action.session}, states)
    finally:
        listener.close()
    if status is None:
        raise AffectlineError(
            f"{action.session}: the pipeline did not start recording within {PATIENCE_S:.0f} s",
            "was it started by affectline up? see its log",
        )
    if status.state != "recording":
        raise AffectlineError(status.detail or f"{action.session} could not be recorded", "")
    return status.session


def stop_recording(hub: HubSettings) -> str:
    """Finish the recording of a running pipeline; return when the file is complete.

    Returns:
        The name of the session.

    Raises:
        AffectlineError: There is no pipeline, nothing is recorded, or it does not finish.
    """
    listener = _listen(hub)
    try:
        names = recordings_among(listener.ready)
        if not names:
            raise AffectlineError(
                f"nothing is being recorded on {hub.ingress}", "start a recording first"
            )
        status = _command(listener, StopRecording(), set(names), ("finished", "failed"))
    finally:
        listener.close()
    if status is None:
        raise AffectlineError(
            f"{', '.join(names)} did not finish within {PATIENCE_S:.0f} s",
            "it is still finishing; affectline check SESSION shows whether it is complete",
        )
    if status.state == "failed":
        raise AffectlineError(status.detail or f"{status.session} was not recorded completely", "")
    return status.session


def recordings_among(services: set[str]) -> list[str]:
    """The sessions being recorded by command, according to the services that are ready."""
    prefix = "recorder/"
    return sorted(name.removeprefix(prefix) for name in services if name.startswith(prefix))


def _listen(hub: HubSettings) -> OutletSubscriber:
    listener = OutletSubscriber(hub, (f"{RecordingStatus.topic_prefix}/",))
    try:
        require_hub(listener, hub)
    except AffectlineError:
        listener.close()
        raise
    return listener


def _command(
    listener: OutletSubscriber,
    action: Record | StopRecording,
    sessions: set[str],
    states: tuple[str, ...],
) -> RecordingStatus | None:
    """Publish a command, and wait for one of these states; None: none was reported in time."""
    command = Packet(Control(target=PIPELINE, at=now_ns(), action=action))
    deadline = time.monotonic() + PATIENCE_S
    while not listener.publish(command, wait=True):
        if time.monotonic() > deadline:
            return None
    while (left_s := deadline - time.monotonic()) > 0:
        listener.wait(timeout_s=min(left_s, POLL_S))
        for packet in listener.receive():
            status = packet.message
            if (
                isinstance(status, RecordingStatus)
                and any(is_numbered(status.session, of=session) for session in sessions)
                and status.state in states
            ):
                return status
    return None
