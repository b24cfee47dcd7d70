"""Command-line options made from the settings models of a registry's members.

Each setting becomes an option of the same name. A setting that takes several values (a mapping or
a list) becomes a repeated option in the singular: ``columns`` is given by ``--column``.
"""

import inspect
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from affectline.common.command_line import name_value
from affectline.common.errors import AffectlineError
from affectline.common.registry import FamilySettings, documented_fields
from affectline.services.cli.help_page import (
    ASKED,
    HELP_ALL,
    LEFT_OUT,
    BriefCommand,
)

GIVEN: Final = "affectline.given_settings"


class SettingsCommand(BriefCommand):
    """A command with an option for every setting of a registry's members.

    The members are looked up when the command is called or its help is shown, so that no other
    command pays for it, or fails because of a plug-in. The callback gets what was given from
    `given_settings`. The help explains the options of the member that is given with it.
    """

    family: ClassVar[type[FamilySettings]]
    flag: ClassVar[str] = ""
    """The option that names a member; empty: that of the registry's key."""

    def get_params(self, ctx: Any) -> list[Any]:
        own = super().get_params(ctx)
        taken = {name for parameter in own for name in parameter.opts}
        left_out = ctx.meta.get(LEFT_OUT, ())
        options = [o for o in make_options(self.family) if taken.isdisjoint(o.opts)]
        return [*(o for o in options if o.name not in left_out), *own]

    def rare_options(self, ctx: Any) -> dict[str, dict[str, str]]:
        """The options of all members except the one named next to ``--help``."""
        flag = self.flag or f"--{self.family.registry.key}"
        member = next((b for a, b in pairwise(ctx.meta.get(ASKED, ())) if a == flag), None)
        own = {parameter.name for parameter in super().get_params(ctx)}
        fields = {
            name: owners
            for name, owners in group_fields(self.family).items()
            if name not in {*self.family.model_fields, *own} and member not in owners
        }
        rare = {
            f"{flag} {one}": {n: option_name(n, of[one]) for n, of in fields.items() if one in of}
            for one in self.family.registry.names()
        }
        rest = super().rare_options(ctx).get("", {})
        return {title: names for title, names in rare.items() if names} | {
            "any": {name: option for name, option in rest.items() if name in own}
        }


def given_settings(context: typer.Context) -> dict[str, Any]:
    """The settings that were given as options, by name."""
    given: dict[str, Any] = context.meta.get(GIVEN, {})
    return given


def make_options(family: type[FamilySettings]) -> list[Any]:
    """Options of typer's own class that store their values for `given_settings`."""

    def command(**_: Any) -> None:
        """Carries the signature that typer turns into options."""

    fields = group_fields(family)
    members = family.registry.names()
    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None,
            annotation=_annotation(name, owners, family, members),
        )
        for name, owners in fields.items()
    ]  # fmt: skip
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(command)
    options = [option for option in typer.main.get_command(app).params if option.name in fields]
    for option in options:
        name_value(option)
        option.expose_value = False
        option.callback = _store
    return options


def group_fields(family: type[FamilySettings]) -> dict[str, dict[str, FieldInfo]]:
    """Every setting of a family with its field in each member that has it."""
    registry = family.registry
    models = registry.settings_models()
    fields: dict[str, dict[str, FieldInfo]] = {name: {} for name in family.model_fields}
    for member, model in models.items():
        for name, field in documented_fields(model).items():
            fields.setdefault(name, {})[member] = field
    return fields


def option_name(name: str, field: FieldInfo) -> str:
    """The option that gives a setting."""
    singular = name.removesuffix("s") if _takes_several(field.annotation) else name
    return f"--{singular.replace('_', '-')}"


def explain(error: ValidationError, family: type[FamilySettings], command: str) -> AffectlineError:
    """The first thing that is wrong with given options, in terms of the command line."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else family.registry.key
    owners = group_fields(family).get(name, {})
    option = next((option_name(name, field) for field in owners.values()), f"--{name}")
    value = "" if isinstance(first["input"], Mapping | NoneType) else f" (got {first['input']!r})"
    text = first["msg"].removeprefix("Value error, ")
    return AffectlineError(f"{option}: {text}{value}", f"see affectline {command} {HELP_ALL}")


def describe(name: str, owners: dict[str, FieldInfo], *, shared: bool) -> str:
    """The meaning of a setting; for each member, unless all share it and agree."""
    meanings: dict[str, list[str]] = {}
    for member, field in owners.items():
        text = " ".join((field.description or "").replace("``", "").split())
        text += give_example(name, field)
        meanings.setdefault(text, []).append(member)
    if shared and len(meanings) == 1:
        return next(iter(meanings))
    return " ".join(f"{', '.join(of)}: {text}" for text, of in meanings.items())


def give_example(name: str, field: FieldInfo) -> str:
    """How a setting with an example is given on the command line; empty without one."""
    if not field.examples:
        return ""
    repeat = "; may be repeated" if _takes_several(field.annotation) else ""
    return f" E.g. {option_name(name, field)} {field.examples[0]}{repeat}."


def describe_default(field: FieldInfo) -> str | None:
    """A setting's default, for people; None where it has none worth telling."""
    if any(field.default is nothing for nothing in (None, False, PydanticUndefined)):
        return None
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def choices(annotation: Any) -> list[str]:
    """The texts that a setting is limited to, if it is."""
    return list(map(str, get_args(annotation))) if get_origin(annotation) is Literal else []


def _annotation(
    name: str, owners: dict[str, FieldInfo], family: type[FamilySettings], members: list[str]
) -> Any:
    field = next(iter(owners.values()))
    registry = family.registry
    if name == registry.key:
        help_text, shown, default = "", f"[{'|'.join(members)}]", registry.default
    else:
        help_text = describe(name, owners, shared=name in family.model_fields)
        shown = f"[{'|'.join(choices(field.annotation))}]" if choices(field.annotation) else ""
        default = describe_default(field)
    option = typer.Option(
        option_name(name, field),
        help=help_text,
        metavar=shown or None,
        show_default=default or False,
    )
    return Annotated[_option_type(field.annotation), option]


def _option_type(annotation: Any) -> Any:
    if _takes_several(annotation):
        return list[str] | None
    kind = _without_none(annotation)
    return (kind if kind in (bool, int, float, Path) else str) | None


def _takes_several(annotation: Any) -> bool:
    kind = _without_none(annotation)
    origin = get_origin(kind) or kind
    return origin in (dict, list, set, frozenset) or (origin is tuple and ... in get_args(kind))


def _without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``, without what is annotated to it."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            return _without_none(kinds[0])
    return annotation


def _store(context: Any, option: Any, value: Any) -> Any:
    """Store an option if it was given."""
    if value is not None and value != ():
        context.meta.setdefault(GIVEN, {})[option.name] = value
    return value
