"""Writes the parts of ``docs/architecture.md`` that follow from the code: ``make docs`` calls it.

Processes and topics come from the declarations in ``services/registry.py``, rooms from the imports
that grimp finds, rules from import-linter's contracts in ``pyproject.toml``. It is here and not in
the package because grimp is a tool of development.
"""

import functools
import graphlib
import itertools
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import grimp

from affectline.common.runtime.spec import ServiceSpec
from affectline.common.wire.base import Message
from affectline.common.wire.kinds import message_kinds
from affectline.services.cli.reference import write_parts
from affectline.services.registry import SPECS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = "architecture.md"
PACKAGES: Final = ("common", "services", "training")

DRAWN: Final = ("frame", "faces", "scores", "emotion", "bio", "state")
"""Topics with arrows of their own; the table of topics has the others as well."""
SHAPES: Final = {
    "source": ("([", "])"),
    "transform": ("[", "]"),
    "worker": ("[[", "]]"),
    "sink": ("[(", ")]"),
    "hub": ("{{", "}}"),
    "page": ("(", ")"),
}
"""By role, how Mermaid draws a process."""

LOOSE: Final = "modules"
"""Stands for the modules of a package that are in no room."""
PROCESSES: Final = "processes"
"""Stands for the rooms of the processes, without their declarations."""
DECLARATIONS: Final = "declarations"
"""Stands for ``spec.py`` in the rooms of the processes."""

Arrow = tuple[str, str]


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
    """Who publishes what for whom; dotted: everything that passes through the hub."""
    specs = sorted(SPECS.values(), key=lambda spec: list(SHAPES).index(spec.role))
    lines = [f"{spec.kind}{spec.kind.join(SHAPES[spec.role])}" for spec in specs]
    shown = [spec for spec in specs if not (_is_all(spec.inputs) or _is_all(spec.outputs))]
    for first, second in itertools.combinations(shown, 2):
        there = ", ".join(t for t in DRAWN if t in first.outputs and t in second.inputs)
        back = ", ".join(t for t in DRAWN if t in second.outputs and t in first.inputs)
        if there and back:
            lines.append(f'{first.kind} <-- "{there} →<br>← {back}" --> {second.kind}')
        elif there:
            lines.append(f"{first.kind} -- {there} --> {second.kind}")
        elif back:
            lines.append(f"{second.kind} -- {back} --> {first.kind}")
    lines += [f"{spec.kind} -.-> hub" for spec in specs if _is_all(spec.outputs)]
    everything = [spec for spec in specs if _is_all(spec.inputs) or _reads_outlet(spec)]
    lines += [f"hub -.-> {spec.kind}" for spec in everything]
    return mermaid(lines)


def _is_all(topics: tuple[str, ...]) -> bool:
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
    for kind in message_kinds().values():
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
    """Package and room of a module; those that are in no room count as one."""
    parts = module.split(".")[1:]
    if len(parts) < 2 or parts[0] not in PACKAGES or parts[1] == "__main__":
        return None
    if parts[0] == "services" and parts[-1] == "spec":
        return parts[0], DECLARATIONS
    return parts[0], LOOSE if parts[1] in loose_modules(parts[0]) else parts[1]


@functools.cache
def loose_modules(package: str) -> tuple[str, ...]:
    """Names of the modules of a package that are in no room."""
    children = graph().find_children(f"affectline.{package}")
    loose = (module.split(".")[-1] for module in children if not graph().find_children(module))
    return tuple(sorted(name for name in loose if name != "__main__"))


def imports_between_rooms(package: str) -> set[Arrow]:
    """Importing and imported rooms."""
    found: set[Arrow] = set()
    for module in graph().modules:
        importer = room_of(module)
        if importer is None or importer[0] != package:
            continue
        for other in graph().find_modules_directly_imported_by(module):
            imported = room_of(other)
            if imported and imported[0] == package and imported != importer:
                found.add((importer[1], imported[1]))
    return found


def without_shortcuts(arrows: set[Arrow]) -> set[Arrow]:
    """Without the arrows whose ends a longer way connects as well.

    Raises:
        ValueError: They form a circle.
    """
    below: dict[str, set[str]] = {}
    order = graphlib.TopologicalSorter[str]()
    for a, b in arrows:
        order.add(a, b)
    for room in order.static_order():
        direct = {b for a, b in arrows if a == room}
        below[room] = direct.union(*(below[b] for b in direct))
    return {
        (a, b) for a, b in arrows
        if not any(b in below[other] for start, other in arrows if start == a)
    }  # fmt: skip


def draw_rooms(package: str) -> str:
    """The rooms of a package and the imports between them."""
    lines = [f"{LOOSE}[{_label(loose_modules(package))}]"]
    arrows = without_shortcuts(imports_between_rooms(package))
    return mermaid([*lines, *(f"{a} --> {b}" for a, b in sorted(arrows))])


def draw_services() -> str:
    """The rooms of services; those of processes, which never import each other, are one box."""
    arrows: dict[Arrow, set[str]] = {}
    for importer, imported in imports_between_rooms("services"):
        arrow = tuple(PROCESSES if room in SPECS else room for room in (importer, imported))
        reasons = arrows.setdefault((arrow[0], arrow[1]), set())
        reasons |= {room for room in (importer, imported) if room in SPECS}
    plain = without_shortcuts(set(arrows))
    for arrow in ((PROCESSES, LOOSE), (PROCESSES, DECLARATIONS)):
        arrows.get(arrow, set()).clear()
    lines = [
        f"{PROCESSES}[{_label(sorted(SPECS))}]",
        f'{DECLARATIONS}["spec of every process"]',
        f"{LOOSE}[{_label(loose_modules('services'))}]",
    ]
    for (a, b), reasons in sorted(arrows.items()):
        if reasons:
            lines.append(f"{a} -- {_label(sorted(reasons))} --> {b}")
        elif (a, b) in plain:
            lines.append(f"{a} --> {b}")
    return mermaid(lines)


def _label(names: Sequence[str]) -> str:
    """Names in lines of two, as Mermaid wants them."""
    return '"' + "<br>".join(", ".join(names[i : i + 2]) for i in range(0, len(names), 2)) + '"'


def list_rooms() -> str:
    """Every room, and what its docstring says first."""
    rows = []
    for package in PACKAGES:
        for module in sorted(graph().find_children(f"affectline.{package}")):
            if graph().find_children(module):
                text = (import_module(module).__doc__ or "").split("\n\n")[0]
                idea = " ".join(text.split()).replace("``", "`")
                rows.append((f"`{package}/{module.split('.')[-1]}/`", idea))
    return table(("room", "idea"), rows)


# Rules


def contracts() -> list[dict[str, Any]]:
    """import-linter's contracts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def list_layers() -> str:
    """For every package, its modules from the top down."""
    rows = []
    for contract in contracts():
        for container in contract.get("containers", ()):
            layers = " → ".join(layer.replace(" | ", " · ") for layer in contract["layers"])
            more = "" if contract.get("exhaustive") else " (others by a rule below)"
            layers = layers.replace("__main__", "`__main__`") + more
            rows.append((f"`{_short(container)}`", layers))
    return table(("package", "layers"), rows)


def list_rules() -> str:
    """Every other contract: what it says, about which modules, and what is exempt from it."""
    rows = []
    for contract in contracts():
        if "containers" not in contract:
            modules = contract.get("source_modules") or contract["modules"]
            exempt = {_short(line.split(" -> ")[0]) for line in contract.get("ignore_imports", ())}
            about = code(_short(module) for module in modules)
            rows.append((contract["name"], about, code(sorted(exempt))))
    return table(("rule", "about", "except"), rows)


def _short(module: str) -> str:
    return module.removeprefix("affectline.")


PARTS: Final[dict[str, Callable[[], str]]] = {
    "processes": draw_processes,
    "declarations": list_processes,
    "topics": list_topics,
    "rooms of common": lambda: draw_rooms("common"),
    "rooms of services": draw_services,
    "rooms of training": lambda: draw_rooms("training"),
    "rooms": list_rooms,
    "layers": list_layers,
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
