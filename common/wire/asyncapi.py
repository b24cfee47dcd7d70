"""Documents of the protocol: a JSON Schema for each message, and AsyncAPI 3 for all of them."""

import json
from typing import Any

from affectline.common.wire.base import Message
from affectline.common.wire.kinds import message_kinds, prefixes


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every message, by its name."""
    return {name: kind.model_json_schema() for name, kind in message_kinds().items()}


def asyncapi(outlet: str, ingress: str) -> dict[str, Any]:
    """The AsyncAPI document of a hub with these addresses of its outlet and ingress."""
    kinds = message_kinds()
    by_prefix: dict[str, list[type[Message]]] = {}
    for kind in kinds.values():
        by_prefix.setdefault(kind.topic_prefix, []).append(kind)
    channels = {prefix: _channel(prefix, members) for prefix, members in by_prefix.items()}
    open_prefixes = prefixes(tuple(kind for kind in kinds.values() if kind.is_open_to_tools))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Affectline",
            "version": "1",
            "description": "ZeroMQ multipart messages: topic, header (a msgpack map), then binary "
            "parts. Subscribe to the outlet, publish to the ingress.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {
            "outlet": _server(outlet, "SUB sockets connect here; slow ones lose messages."),
            "ingress": _server(ingress, "PUB sockets connect here."),
        },
        "channels": channels,
        "operations": {
            **{f"receive_{name}": _operation("send", name) for name in channels},
            **{f"send_{name}": _operation("receive", name) for name in open_prefixes},
        },
        "components": {"messages": {name: _message(name, k) for name, k in kinds.items()}},
    }


def _server(address: str, description: str) -> dict[str, str]:
    return {
        "host": address.removeprefix("tcp://"),
        "protocol": "zmq",
        "description": description,
    }


def _channel(prefix: str, kinds: list[type[Message]]) -> dict[str, Any]:
    names = kinds[0].topic_levels
    for kind in kinds:
        if kind.topic_levels != names:
            raise TypeError(
                f"{kind.__name__}.topic_levels: {kind.topic_levels} for topics {prefix}/, "
                f"make them {names}, like those of {kinds[0].__name__}"
            )
    return {
        "address": "/".join([prefix, *(f"{{{name}}}" for name in names)]),
        "parameters": {name: {"description": f"Name of the {name}."} for name in names},
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds
        },
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    """An operation from Affectline's side: it sends what others receive."""
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(name: str, kind: type[Message]) -> dict[str, Any]:
    summary = (kind.__doc__ or "").strip().split("\n")[0]
    schema = kind.model_json_schema(
        ref_template=f"#/components/messages/{name}/payload/$defs/{{model}}"
    )
    result: dict[str, Any] = {"name": name, "summary": summary, "payload": schema}
    if kind.parts_description:
        result["description"] = kind.parts_description
    return result


def documents(outlet: str, ingress: str) -> dict[str, str]:
    """All generated files: content by path below ``docs/``.

    Args:
        outlet: Address where the hub publishes to tools.
        ingress: Address where it receives.
    """
    files = {f"schemas/{name}.json": schema for name, schema in schemas().items()}
    files["asyncapi.json"] = asyncapi(outlet, ingress)
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}
