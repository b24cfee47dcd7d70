"""The wire as documents: a JSON Schema for each message, and AsyncAPI 3 for the whole.

``python -m affectline.common.wire.asyncapi docs`` writes them; a test fails when they are not what
it would write.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from affectline.common.settings.pipeline import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Control
from affectline.common.wire.health import Health
from affectline.common.wire.messages import MESSAGES, Marker, StreamMessage

PARTS: Final = {
    "Frame": "1 part: the JPEG file, or height * width * 3 bytes of BGR rows.",
    "Faces": "2 parts a face: the upright crop (crop_side x crop_side) and the same at 48x48 "
    "pixels; 8-bit gray rows.",
}

PLACES: Final[dict[type[Message], list[str]]] = {
    Marker: ["session"],
    Health: ["service"],
    Samples: ["subject", "signal"],
    State: ["subject"],
    Control: ["target"],
}
"""What the levels of a topic after its first are called, where it is not the stream."""


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every message, by its name."""
    return {name: kind.model_json_schema() for name, kind in MESSAGES.items()}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of the hub's outlet and ingress."""
    hub = HubSettings()
    by_prefix: dict[str, list[type[Message]]] = {}
    for kind in MESSAGES.values():
        by_prefix.setdefault(kind.topic_prefix, []).append(kind)
    channels = {prefix: _channel(prefix, kinds) for prefix, kinds in by_prefix.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Affectline",
            "version": "1",
            "description": "ZeroMQ multipart messages: topic, header (a msgpack map), then binary "
            "parts. Subscribe at the outlet, publish at the ingress.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {
            "outlet": _server(hub.outlet, "SUB sockets connect here; it drops for the slow."),
            "ingress": _server(hub.ingress, "PUB sockets connect here."),
        },
        "channels": channels,
        "operations": {
            **{f"receive_{name}": _operation("send", name) for name in channels},
            "send_marker": _operation("receive", "marker"),
            "send_bio": _operation("receive", "bio"),
        },
        "components": {"messages": {name: _message(name, k) for name, k in MESSAGES.items()}},
    }


def _server(address: str, description: str) -> dict[str, str]:
    return {
        "host": address.removeprefix("tcp://"),
        "protocol": "zmq",
        "description": description,
    }


def _channel(prefix: str, kinds: list[type[Message]]) -> dict[str, Any]:
    first = kinds[0]
    names = ["stream"] if issubclass(first, StreamMessage) else PLACES[first]
    return {
        "address": "/".join([prefix, *(f"{{{name}}}" for name in names)]),
        "parameters": {name: {"description": f"Name of the {name}."} for name in names},
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds
        },
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    """Actions are Affectline's: it sends what others receive."""
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(name: str, kind: type[Message]) -> dict[str, Any]:
    summary = (kind.__doc__ or "").strip().split("\n")[0]
    schema = kind.model_json_schema(
        ref_template=f"#/components/messages/{name}/payload/$defs/{{model}}"
    )
    result: dict[str, Any] = {"name": name, "summary": summary, "payload": schema}
    if name in PARTS:
        result["description"] = PARTS[name]
    return result


def documents() -> dict[str, str]:
    """All generated files: path below ``docs/`` and content."""
    files = {f"schemas/{name}.json": schema for name, schema in schemas().items()}
    files["asyncapi.json"] = asyncapi()
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}


def main() -> None:
    """Write the documents below the folder named on the command line."""
    folder = Path(sys.argv[1])
    for path, text in documents().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
