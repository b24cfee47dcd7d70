"""All kinds of message, found by searching the modules of this package."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from affectline.common import wire
from affectline.common.wire.base import Message


@cache
def message_kinds() -> Mapping[str, type[Message]]:
    """Every message class by its name, in alphabetical order.

    Call it from functions, or from modules outside this package, because it imports all modules of
    this package.

    Raises:
        TypeError: Two classes have the same name.
    """
    found: dict[str, type[Message]] = {}
    for module in pkgutil.iter_modules(wire.__path__, f"{wire.__name__}."):
        for kind in _defined_in(module.name):
            if kind.__name__ in found:
                other = found[kind.__name__].__module__
                raise TypeError(f"{kind.__name__} is a message in {other} and in {module.name}")
            found[kind.__name__] = kind
    return MappingProxyType(dict(sorted(found.items())))


def recorded_kinds() -> tuple[type[Message], ...]:
    """The kinds that recordings contain and replays publish again."""
    return tuple(kind for kind in message_kinds().values() if kind.is_recorded)


def prefixes(kinds: tuple[type[Message], ...]) -> tuple[str, ...]:
    """The first levels of these kinds' topics, each once, in alphabetical order."""
    return tuple(sorted({kind.topic_prefix for kind in kinds}))


def _defined_in(module: str) -> list[type[Message]]:
    defined = vars(importlib.import_module(module)).values()
    return [
        kind
        for kind in defined
        if isinstance(kind, type)
        and issubclass(kind, Message)
        and kind.__module__ == module
        and "message" in kind.model_fields
    ]
