"""``affectline mark``: set a marker."""

import json
import sys
from typing import Annotated

import typer
from pydantic import JsonValue, ValidationError

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.runtime.endpoints import require_role
from affectline.common.runtime.marking import publish_now
from affectline.common.wire.messages import Marker
from affectline.services.cli.options import ConfigFile, HubAddress, read_settings


def mark(
    label: Annotated[str, typer.Argument(help="Label of the marker.")],
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
    """Set a marker at the current moment of the session.

    With a camera that is the time of the call. While films are analysed or a recording is
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
            "a label has 1 to 1000 characters; a session's name is letters, digits, '.', '_' "
            "and '-'",
        ) from error
    require_role(hub_settings, "mark", ("operator", "pipeline", "sensor"))
    moment = publish_now(hub_settings, marker.model_copy(update={"at": at}))
    sys.stdout.write(f"marked at {moment}\n")


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
