"""Writes the parts of ``docs/architecture.md`` that follow from the code: ``make docs`` calls it.

Processes and topics come from the declarations in ``services/registry.py``, rooms from the imports
that grimp finds, rules from import-linter's contracts in ``pyproject.toml``. It is here and not in
the package because grimp is a tool of development.
"""

import functools
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import grimp

from affectline.common.runtime.spec import ServiceSpec
from affectline.common.wire.base import Message
from affectline.common.wire.messages import MESSAGES
from affectline.services.cli.reference import write_parts
from affectline.services.registry import SPECS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = "architecture.md"
PACKAGES: Final = ("common", "services", "training")

DRAWN: Final = ("frame", "faces", "scores", "emotion", "bio", "state")
"""Topics with arrows of their own; the table of topics has the others as well."""
SHAPES: Final = {
    "hub": ("{{", "}}"),
    "source": ("([", "])"),
    "transform": ("[", "]"),
    "worker": ("[[", "]]"),
    "sink": ("[(", ")]"),
    "page": ("(", ")"),
}
"""By role, how Mermaid draws a process."""

Pairs = set[tuple[str, str]]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def mermaid(lines: Iterable[str]) -> str:
    """A flowchart in a fence, which GitHub draws."""
    return "\n".join(("```mermaid", "flowchart LR", *(f"    {line}" for line in lines), "```"))


def code(names: Iterable[str]) -> str:
    """Names in backticks."""
    return ", ".join(f"`{name}`" for name in names)


# Processes


def draw_processes() -> str:
    """Who publishes what for whom; what passes through the hub unseen is dotted."""
    lines = []
    for spec in SPECS.values():
        opening, closing = SHAPES[spec.role]
        lines.append(f"{spec.kind}{opening}{spec.kind}{closing}")
    arrows: dict[tuple[str, str], list[str]] = {}
    for topic in DRAWN:
        for source in (one for one in SPECS.values() if topic in one.outputs):
            for reader in (one for one in SPECS.values() if topic in one.inputs):
                if not _has_everything(source.outputs) and not _has_everything(reader.inputs):
                    arrows.setdefault((source.kind, reader.kind), []).append(topic)
    for (source_kind, reader_kind), topics in arrows.items():
        lines.append(f"{source_kind} -- {', '.join(topics)} --> {reader_kind}")
    for spec in SPECS.values():
        if _has_everything(spec.outputs):
            lines.append(f"{spec.kind} -. everything .-> hub")
        if _has_everything(spec.inputs) or _reads_outlet(spec):
            lines.append(f"hub -. everything .-> {spec.kind}")
    return mermaid(lines)


def _has_everything(topics: tuple[str, ...]) -> bool:
    return set(DRAWN) <= set(topics)


def _reads_outlet(spec: ServiceSpec) -> bool:
    """Pages without an input of their own subscribe like any other program: at the outlet."""
    return spec.role == "page" and not spec.inputs


def list_processes() -> str:
    """Every declaration, in a row."""
    rows = []
    for spec in SPECS.values():
        module, _, name = spec.stage.partition(":")
        path = "/".join(module.split(".")[1:]) + ".py"
        inputs = "(the outlet)" if _reads_outlet(spec) else code(spec.inputs)
        rows.append(
            (
                f"`{spec.kind}`", spec.summary.rstrip("."), spec.role, inputs, code(spec.outputs),
                spec.restart, f"`{path}:{name}`",
            )
        )  # fmt: skip
    head = ("process", "work", "role", "inputs", "outputs", "restart", "stage")
    return table(head, rows)


def list_topics() -> str:
    """Every topic with its messages, who publishes and who reads it."""
    kinds: dict[str, list[type[Message]]] = {}
    for kind in MESSAGES.values():
        kinds.setdefault(kind.topic_prefix, []).append(kind)
    rows = []
    for topic, messages in kinds.items():
        writers = [spec.kind for spec in SPECS.values() if topic in spec.outputs]
        readers = [spec.kind for spec in SPECS.values() if topic in spec.inputs]
        names = code(kind.__name__ for kind in messages)
        everybody = ["every process"] if topic == "health" else writers
        rows.append((f"`{topic}/`", names, ", ".join(everybody), ", ".join(readers)))
    return table(("topic", "messages", "published by", "handled by"), rows)


# Rooms


@functools.cache
def graph() -> grimp.ImportGraph:
    """Every module of the package, and what it imports."""
    return grimp.build_graph("affectline")


def room_of(module: str) -> tuple[str, str] | None:
    """Package and room of a module; modules that are in no room are one of their own."""
    parts = module.split(".")[1:]
    if len(parts) < 2 or parts[0] not in PACKAGES:
        return None
    is_room = bool(graph().find_children(f"affectline.{parts[0]}.{parts[1]}"))
    return parts[0], parts[1] if is_room else LOOSE


LOOSE: Final = "modules"
"""Stands for the modules of a package that are in no room."""


def loose_modules(package: str) -> list[str]:
    """Names of the modules of a package that are in no room."""
    children = graph().find_children(f"affectline.{package}")
    return sorted(m.split(".")[-1] for m in children if not graph().find_children(m))


def imports_between_rooms(package: str) -> dict[tuple[str, str], set[str]]:
    """By importing and imported room: the imported modules."""
    found: dict[tuple[str, str], set[str]] = {}
    for module in graph().modules:
        importer = room_of(module)
        for other in graph().find_modules_directly_imported_by(module):
            imported = room_of(other)
            if importer and imported and importer != imported:
                if importer[0] == imported[0] == package:
                    found.setdefault((importer[1], imported[1]), set()).add(other)
    return found


def without_shortcuts(pairs: Pairs) -> Pairs:
    """Without the pairs that a longer way connects as well."""

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        following = {b for a, b in pairs if a == start} - seen
        return goal in following or any(reaches(b, goal, seen | following) for b in following)

    return {
        (a, b)
        for a, b in pairs
        if not any(reaches(middle, b, {a, middle}) for x, middle in pairs if x == a and middle != b)
    }


def draw_rooms(package: str) -> str:
    """The rooms of a package and the imports between them."""
    found = imports_between_rooms(package)
    named = {room for pair in found for room in pair}
    lines = [f"{LOOSE}[{_wrap(loose_modules(package))}]"] if LOOSE in named else []
    return mermaid([*lines, *(f"{a} --> {b}" for a, b in sorted(without_shortcuts(set(found))))])


def draw_services() -> str:
    """The rooms of services; those of processes, which never import each other, are one box."""
    found = imports_between_rooms("services")
    processes = "processes"
    labels: dict[tuple[str, str], set[str]] = {}
    for (importer, imported), modules in found.items():
        pair = tuple(processes if room in SPECS else room for room in (importer, imported))
        if pair[0] == pair[1]:
            continue
        members = labels.setdefault((pair[0], pair[1]), set())
        if importer in SPECS:
            members.add(importer)
        elif imported in SPECS:
            is_spec = all(module.endswith(".spec") for module in modules)
            members.add(f"{imported} (spec)" if is_spec else imported)
    lines = [f"{processes}[{_wrap(sorted(SPECS))}]"]
    for a, b in sorted(labels):
        kept = sorted(labels[a, b])
        if a != processes and len(kept) > 3:
            has_code = [one for one in kept if not one.endswith("(spec)")]
            kept = [*has_code, "specs"] if len(has_code) < len(kept) else has_code
        label = f" -- {_wrap(kept)} -->" if kept else " -->"
        lines.append(f"{a}{label} {b}")
    plain = without_shortcuts({pair for pair in labels})
    shown = [line for line, pair in zip(lines[1:], sorted(labels), strict=True)
             if pair in plain or labels[pair]]  # fmt: skip
    return mermaid([lines[0].replace(f"[{LOOSE}]", ""), *shown])


def _wrap(names: Sequence[str]) -> str:
    """Names in lines of three, as a Mermaid label."""
    lines = [", ".join(names[i : i + 3]) for i in range(0, len(names), 3)]
    return '"' + "<br>".join(lines) + '"'


def list_rooms() -> str:
    """Every room, and what its docstring says first."""
    rows = []
    for package in PACKAGES:
        for module in sorted(graph().find_children(f"affectline.{package}")):
            if graph().find_children(module):
                text = (import_module(module).__doc__ or "").split("\n\n")[0]
                rows.append((f"`{package}/{module.split('.')[-1]}/`", " ".join(text.split())))
    return table(("room", "idea"), rows)


# Rules


def contracts() -> list[dict[str, Any]]:
    """import-linter's contracts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def list_rules() -> str:
    """Every contract: its name, and what it forbids."""
    return table(("rule", "where", "holds"), sorted(_rule(one) for one in contracts()))


def _rule(contract: dict[str, Any]) -> tuple[str, str, str]:
    kind = contract["type"]
    if kind == "layers":
        where = contract.get("containers", [])
        return contract["name"], _short(where), " → ".join(_short([x]) for x in contract["layers"])
    if kind == "independence":
        return contract["name"], "", f"independent: {_short(contract['modules'])}"
    if kind == "protected":
        allowed = _short(contract["allowed_importers"])
        return contract["name"], _short(contract["protected_modules"]), f"imported by {allowed}"
    sources = _short(contract["source_modules"])
    return contract["name"], sources, f"never imports {_short(contract['forbidden_modules'])}"


def _short(modules: Iterable[str]) -> str:
    return ", ".join(one.replace("affectline.", "").replace("|", "\\|") for one in modules)


PARTS: Final[dict[str, Callable[[], str]]] = {
    "processes": draw_processes,
    "declarations": list_processes,
    "topics": list_topics,
    "rooms of common": lambda: draw_rooms("common"),
    "rooms of services": draw_services,
    "rooms of training": lambda: draw_rooms("training"),
    "rooms": list_rooms,
    "rules": list_rules,
}


def modules_to_name() -> Iterator[tuple[str, list[str]]]:
    """Packages with at least two children, and these: the ones whose order a contract must tell."""
    for module in sorted(graph().modules):
        children = sorted(graph().find_children(module))
        if len(children) > 1:
            yield module, children


def main() -> None:
    """Write the generated parts in the folder that the command line names."""
    path = Path(sys.argv[1]) / PAGE
    text = write_parts(PAGE, path.read_text(encoding="utf-8"), PARTS)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
