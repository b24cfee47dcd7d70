"""``affectline mark``: publish an event marker."""

import json
import sys
import time
from typing import Annotated, Final

import typer
from pydantic import JsonValue, ValidationError

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.clock_sync import offset_to_hub
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.control import REPLAY
from affectline.common.wire.messages import Marker, Packet
from affectline.services.cli.options import ConfigFile, HubAddress, read_settings

LISTEN_S: Final = 0.5
"""How long a result is listened for that tells whether a film is analysed, and where it is."""
HUB_PATIENCE_S: Final = 3.0
HEARD_S: Final = 10.0
"""How long a hub may take to pass on a marker: one that hangs is replaced meanwhile."""
POLL_S: Final = 0.02


def mark(
    label: Annotated[str, typer.Argument(help="Name of the event.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE to store with the marker; the value may be JSON. Repeatable."
        ),
    ] = None,
    session: Annotated[
        str, typer.Option(help="Session name: the last part of the topic.")
    ] = "session",
    config_file: ConfigFile = None,
    hub: HubAddress = None,
) -> None:
    """Publish an event marker, at the present of the session.

    Beside a camera that is the time of the call. While films are analysed or a recording is
    replayed, it is the time of the newest frame.

    Example: affectline mark "hard braking" --field speed=63.5 --field road=wet
    """
    at = now_ns()
    hub_settings = read_settings(config_file, hub).hub
    extra = parse_fields(field or [])
    try:
        marker = Marker(session=session, at=at, label=label, source="command", extra=extra)
    except ValidationError as error:
        first = error.errors()[0]
        raise AffectlineError(
            f"{first['loc'][0]} {first.get('input')!r}: {first['msg']}",
            "a label is 1 to 1000 characters long; a session's name is letters, digits, '.', '_' "
            "and '-'",
        ) from error
    moment = publish_now(hub_settings, marker.model_copy(update={"at": at}))
    sys.stdout.write(f"marked at {moment}\n")


def publish_now(hub: HubSettings, marker: Marker) -> str:
    """Publish a marker at what the session shows now.

    Args:
        hub: Where the session is.
        marker: With the time of the call, by this machine's clock.

    Returns:
        That moment, in words.

    Raises:
        AffectlineError: There is no hub.
    """
    outlet = OutletSubscriber(hub, ("emotion/", "stream/", marker.topic))
    try:
        at = marker.at + offset_to_hub(hub)
        clock = SessionClock(lambda: at)
        listen(outlet, clock)
        marker = marker.model_copy(update={"at": clock.now()})
        if not connect(outlet):
            raise AffectlineError(
                f"no hub on {hub.ingress}",
                "start affectline up first, or name the hub with --hub",
            )
        if not outlet.publish_heard(Packet(marker), HEARD_S):
            raise AffectlineError(
                f"the hub on {hub.ingress} has not passed on the marker within {HEARD_S:.0f} s",
                "it may hang; look at affectline's log, and mark again",
            )
        return clock.describe(marker.at)
    finally:
        outlet.close()


def connect(outlet: OutletSubscriber) -> bool:
    """Wait for the hub; False where it is not there in time."""
    deadline = time.monotonic() + HUB_PATIENCE_S
    while not outlet.is_connected:
        if time.monotonic() > deadline:
            return False
        outlet.wait(timeout_s=POLL_S)
        for _ in outlet.receive():
            pass  # or waiting would end at once
    return True


def listen(outlet: OutletSubscriber, clock: SessionClock) -> None:
    """Have a clock hear of the newest frames, for `LISTEN_S` at most."""
    deadline = time.monotonic() + LISTEN_S
    while (left_s := deadline - time.monotonic()) > 0:
        if outlet.is_connected and clock.is_known:
            clock.is_replay |= outlet.is_ready(REPLAY)
            return
        outlet.wait(timeout_s=min(left_s, POLL_S))
        for packet in outlet.receive():
            clock.observe(packet.message)


def parse_fields(texts: list[str]) -> dict[str, JsonValue]:
    """Parse the free fields of a marker, each ``NAME=VALUE``.

    Raises:
        AffectlineError: A text has no name or no ``=``.
    """
    fields: dict[str, JsonValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise AffectlineError(f"--field {text}: not NAME=VALUE", "as in --field speed=63.5")
        try:
            fields[name] = json.loads(value)
            json.dumps(fields[name], allow_nan=False)  # NaN and 1e999 are no JSON: kept as text
        except ValueError:
            fields[name] = value
    return fields
