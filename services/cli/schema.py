"""Commands that look without touching: ``subscribe``, ``schema``, ``doctor``."""

import json
from typing import Annotated, Any, Literal

import typer

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import HubSettings
from affectline.services.cli.options import ConfigFile, change, read_settings


def subscribe(
    prefix: Annotated[str, typer.Argument(help="Beginning of the topics, e.g. emotion/.")] = "",
    address: Annotated[str | None, typer.Option(help="The hub's outlet.")] = None,
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="json: one object a line.")
    ] = "table",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
) -> None:
    """Listen in, as any other tool would.

    Example: affectline subscribe emotion/ --format json --count 100
    """
    from affectline.services.cli import message_printer as listening

    listening.run(prefix, address or HubSettings().outlet, form, count)


def schema(
    message: Annotated[str | None, typer.Argument(help="Name of a message, e.g. Emotion.")] = None,
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


def doctor(
    config_file: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65529, help="First of the seven ports to look at.")
    ] = None,
) -> None:
    """Check camera, display, ports, model and packages; say how to mend what is wrong.

    Example: affectline doctor
    """
    from affectline.services.cli import run as summary
    from affectline.services.cli.doctor_checks import examine

    settings = read_settings(config_file)
    findings = list(examine(change(settings.hub, port=port), settings.classifier.model))
    summary.print_findings(findings)
    raise typer.Exit(int(any(finding.state == "failure" for finding in findings)))
