"""What all settings share, and how their errors are told."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from affectline.common.address import conceal

SOURCES: Final = "sources"
"""The section of settings that may hold passwords, under whatever key: what is wrong in there is
told without the value."""
VALUE_MAX: Final = 200
"""Characters of a value that are shown."""


class Settings(BaseModel):
    """What all settings share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, with the value where that is one, and no secret.

    Never a whole entry: what is missing, or has a wrong name, is told by its name alone.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{name}: {first['msg'].removeprefix('Value error, ')}{_shown(first)}"


def _shown(first: Any) -> str:
    value = first["input"]
    is_plain = isinstance(value, str | int | float | bool)
    is_named = first["type"] not in ("missing", "extra_forbidden")
    if not (is_plain and is_named) or SOURCES in first["loc"]:
        return ""
    return f" (got {conceal(repr(value))[:VALUE_MAX]})"
