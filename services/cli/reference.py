"""Writes the parts of ``docs/`` that are generated from the code; ``make docs`` runs it.

A page marks such a part with two comments, and what lies between them is written again:

    <!-- generated: drivers -->
    <!-- end of drivers -->
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from affectline.common.registry import FamilySettings, documented_fields
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.detector import DetectorSettings
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.asyncapi import documents
from affectline.common.wire.kinds import message_kinds
from affectline.services.cli.setting_options import describe_default, option_name
from affectline.services.export.exporter import EXPORTERS, ExportSettings
from affectline.services.report.section import SECTIONS, SectionSettings
from affectline.services.sessions.columns import TABLES

KINDS: Final = {
    str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path",
    dict: "mapping", list: "list", tuple: "list",
}  # fmt: skip


def list_members(family: type[FamilySettings]) -> str:
    """A table of the built-in members: name, and the first sentence of the class docstring."""
    registry = family.registry
    rows = [(f"`{n}`", _summary(registry.load(n))) for n in registry.own_names()]
    return _table((registry.key, "description"), rows)


def describe_settings(family: type[FamilySettings], *, has_options: bool = True) -> str:
    """Tables of the settings that all members share, and of those of each built-in member.

    Args:
        family: The family's own settings model.
        has_options: The settings are options of a command as well.
    """
    registry = family.registry
    shared = [name for name in family.model_fields if name != registry.key]
    parts = []
    if shared:
        parts += [f"Every {registry.key} has", _settings_table(family, shared, has_options)]
    for name in registry.own_names():
        model = registry.settings_model(name)
        own = [field for field in model.model_fields if field not in (*shared, registry.key)]
        if own:
            parts += [f"`{registry.key}: {name}`", _settings_table(model, own, has_options)]
    return "\n\n".join(parts)


def list_exporters() -> str:
    """A table of the built-in exporters: name, files and their content."""
    exporters = {name: EXPORTERS.load(name) for name in EXPORTERS.own_names()}
    rows = [(f"`{n}`", f"`{found.files}`", found.summary) for n, found in exporters.items()]
    return _table(("format", "files", "content"), rows)


def list_sections() -> str:
    """A table of the built-in report sections, in order."""
    sections = [(name, SECTIONS.load(name)) for name in SECTIONS.own_names()]
    ordered = sorted(sections, key=lambda one: one[1].order)
    return _table(("section", "shows"), [(f"`{n}`", _summary(found)) for n, found in ordered])


def list_columns() -> str:
    """The tables of a session, with the columns of each."""
    types = {"seconds": "number, six decimals", "boolean": "`true` or `false`"}
    parts = []
    for table in TABLES:
        rows = [
            (f"`{c.name}`", types.get(c.kind, c.kind), c.unit, c.description) for c in table.columns
        ]
        summary = table.summary[0].upper() + table.summary[1:]
        columns = _table(("column", "type", "unit", "meaning"), rows)
        parts.append(f"## {table.name}\n\n{summary}.\n\n{columns}")
    return "\n\n".join(parts)


def list_messages() -> str:
    """A table of all kinds of message, by topic."""
    rows = []
    for name, kind in message_kinds().items():
        topic = "/".join([kind.topic_prefix, *(f"<{level}>" for level in kind.topic_levels)])
        summary = _summary(kind)
        parts = kind.parts_description.rstrip(".")
        rows.append((f"`{topic}`", f"[`{name}`](schemas/{name}.json): {summary}", parts))
    return _table(("topic", "message", "binary parts"), sorted(rows))


PARTS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "protocol.md": {"messages": list_messages},
    "biometrics.md": {
        "drivers": lambda: list_members(BiometricsSettings),
        "driver settings": lambda: describe_settings(BiometricsSettings),
    },
    "detection.md": {
        "detectors": lambda: list_members(DetectorSettings),
        "detector settings": lambda: describe_settings(DetectorSettings, has_options=False),
    },
    "sessions.md": {
        "exporters": list_exporters,
        "exporter settings": lambda: describe_settings(ExportSettings),
        "report sections": list_sections,
        "section settings": lambda: describe_settings(SectionSettings, has_options=False),
    },
    "tables.md": {"tables": list_columns},
}
"""Page, name of the generated part, and the function that writes it."""


def write_parts(page: str, text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its generated parts rewritten.

    Args:
        page: Its name, for the error.
        text: Its text.
        parts: By name of the part, what makes its text.

    Raises:
        ValueError: The page does not mark one of its parts.
    """
    for name, make in parts.items():
        marks = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{page} has no part between {marks[0]} and {marks[1]}")
        part = f"{marks[0]}\n\n{make()}\n\n{marks[1]}"
        text = pattern.sub(lambda _, part=part: part, text)  # type: ignore[misc]
    return text


def main() -> None:
    """Write the schemas and the generated parts of the pages into a folder."""
    folder, hub = Path(sys.argv[1]), HubSettings()
    for name, text in documents(hub.outlet, hub.ingress).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for page, parts in PARTS.items():
        path = folder / page
        text = write_parts(page, path.read_text(encoding="utf-8"), parts)
        path.write_text(text, encoding="utf-8")


def _settings_table(model: type[FamilySettings], names: list[str], has_options: bool) -> str:
    head = ("setting", *(("option",) if has_options else ()), "value", "default", "meaning")
    fields, rows = documented_fields(model), []
    for name in names:
        field = fields[name]
        option = (f"`{option_name(name, field)}`",) if has_options else ()
        rows.append((f"`{name}`", *option, _kind(field), _default(field), _meaning(field)))
    return _table(head, rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _summary(documented: Any) -> str:
    first = " ".join((documented.__doc__ or "").split("\n\n")[0].split())
    return first.rstrip(".").replace("``", "`")


def _meaning(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split()).replace("``", "`").replace("|", "\\|")
    return f"{text.rstrip('.')}, e.g. `{field.examples[0]}`" if field.examples else text.rstrip(".")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    is_flag = isinstance(field.default, bool)
    default = str(field.default).lower() if is_flag else describe_default(field)
    return f"`{default}`" if default else ""


def _kind(field: FieldInfo) -> str:
    return " or ".join(_kinds(field.annotation))


def _kinds(annotation: Any) -> list[str]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return [text for kind in kinds for text in _kinds(kind)]
    if origin is Literal:
        return [f"`{value}`".replace("\t", "\\t") for value in get_args(annotation)]
    return [KINDS.get(origin or annotation, "value")]


if __name__ == "__main__":
    main()
