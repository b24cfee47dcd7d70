"""``affectline mark``: publish an event marker."""

import json
from typing import Annotated

import typer
from pydantic import JsonValue, ValidationError

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.clock_sync import offset_to_hub
from affectline.common.runtime.sockets import publish_once
from affectline.common.wire.messages import Marker, Packet
from affectline.services.cli.options import ConfigFile, HubAddress, read_settings


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
    """Publish an event marker.

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
    marker = marker.model_copy(update={"at": at + offset_to_hub(hub_settings)})
    if not publish_once(hub_settings, Packet(marker)):
        raise AffectlineError(
            f"no hub on {hub_settings.ingress}",
            "start affectline up first, or name the hub with --hub",
        )


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
