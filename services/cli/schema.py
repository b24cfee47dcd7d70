"""``affectline schema``: print the JSON Schemas of the messages."""

import json
from typing import Annotated, Any

import typer

from affectline.common.errors import AffectlineError


def schema(
    message: Annotated[
        str | None, typer.Argument(help="Name of a message, e.g. Emotion.  [default: all]")
    ] = None,
) -> None:
    """Print the JSON Schema of one message, or of all.

    Example: affectline schema Emotion
    """
    from affectline.common.wire.messages import MESSAGES

    if message is None:
        result: Any = {name: kind.model_json_schema() for name, kind in MESSAGES.items()}
    elif message in MESSAGES:
        result = MESSAGES[message].model_json_schema()
    else:
        raise AffectlineError(
            f"MESSAGE {message}: there is no such message", f"name one of {', '.join(MESSAGES)}"
        )
    typer.echo(json.dumps(result, indent=2))
