"""The base of all settings, and the texts of their errors."""

from datetime import date
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from affectline.common.address import conceal

SOURCES: Final = "sources"
"""The section of settings that may contain passwords, under any key: errors in it are reported
without the value."""
VALUE_MAX: Final = 200
"""Maximum number of characters shown of a value."""
MOST_LISTED: Final = 8
"""Maximum number of names listed beside a wrong one."""


class Settings(BaseModel):
    """Base of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_WORDS: Final = {
    "dict_type": "has no settings in it: write them as NAME: VALUE",
    "extra_forbidden": "there is no such setting",
    "list_type": "is not a list: begin each of its entries with -",
    "missing": "is missing",
    "model_type": "has no settings in it: write them as NAME: VALUE",
    "string_type": "is not a text: write it in quotes",
    "tuple_type": "is not a list: begin each of its entries with -",
}
"""What errors mean in a settings file, where pydantic speaks of Python."""


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Describe the first error, with its value if that is a plain one, and without secrets.

    Missing settings and wrong names are reported by name alone, never with the whole entry.

    Args:
        error: Of settings.
        model: The settings: a mistyped name is compared with theirs; None: it is not.
    """
    # What is missing may be what was mistyped
    first = min(error.errors(), key=lambda one: one["type"] == "missing")
    name = ".".join(str(part) for part in first["loc"]) or "the file"
    text = _WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden" and model is not None:
        from difflib import get_close_matches

        known = _names_beside(model, first["loc"])
        meant = get_close_matches(str(first["loc"][-1]), known, 1)
        if meant:
            text += f"; did you mean {meant[0]}?"
        elif len(known) <= MOST_LISTED:
            text += f"; there are {', '.join(known)}"
    return f"{name}: {text}{_shown(first)}"


def _names_beside(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The names of the settings that could stand in the place of an unknown one."""
    models = [model]
    for part in place[:-1]:
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        if isinstance(part, str):
            models = [one for field in fields for one in _models_in(field.annotation)]
    return [name for one in models for name in one.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _models_in(part)]


def _shown(first: Any) -> str:
    value = first["input"]
    is_plain = isinstance(value, str | int | float | bool | date)
    is_named = first["type"] not in ("missing", "extra_forbidden")
    if not (is_plain and is_named) or SOURCES in first["loc"]:
        return ""
    shown = str(value) if isinstance(value, date) else repr(value)
    return f" (got {conceal(shown)[:VALUE_MAX]})"
