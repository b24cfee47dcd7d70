"""The base of all settings, and the texts of their errors."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from affectline.common.address import conceal

SOURCES: Final = "sources"
"""The section of settings that may contain passwords, under any key: errors in it are reported
without the value."""
VALUE_MAX: Final = 200
"""Maximum number of characters shown of a value."""


class Settings(BaseModel):
    """Base of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def explain(error: ValidationError) -> str:
    """Describe the first error, with its value if that is a plain one, and without secrets.

    Missing settings and wrong names are reported by name alone, never with the whole entry.
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
