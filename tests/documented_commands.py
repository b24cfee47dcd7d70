"""The commands that pages tell people to type, in the order of the page."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer.main

from affectline.services.cli.main import app
from affectline.training.cli.main import app as training_app

ROOT: Final = Path(__file__).parents[1]
PROGRAMS: Final[dict[str, Any]] = {
    "affectline": typer.main.get_command(app),
    "affectline-train": typer.main.get_command(training_app),
}
OTHERS: Final = frozenset({
    "apt-get", "chgrp", "curl", "docker", "git", "helm", "kubectl", "make", "mkdir", "npm", "pip",
    "pre-commit", "printf", "pytest", "python", "python3", "ray", "rfcomm", "source", "ssh", "sudo",
    "tensorboard",
})  # fmt: skip
"""Programs of others that pages tell people to run."""
IN_BLOCKS: Final = OTHERS | {"export"}
"""In a sentence ``export`` is our command."""
LACKING: Final = frozenset({"MissingParameter", "BadOptionUsage"})
"""Errors about a command that is not whole."""
VARIABLE: Final = re.compile(r"[A-Z_]+=")
FENCE: Final = re.compile(r"^```(\w*)")
PLACEHOLDERS: Final = {
    "NUMBER": "1", "HOST": "192.168.1.20", "USER@HOST": "192.168.1.20", "HOST:PORT": "h:1",
}  # fmt: skip


class Group(NamedTuple):
    """What belongs together: a block, a row of a table, or a paragraph."""

    is_block: bool
    commands: tuple[str, ...]


class PageCommands(NamedTuple):
    """What a page tells people to type, and what it only talks about."""

    groups: tuple[Group, ...]
    """From top to bottom; a command that the page repeats is there once."""
    names: frozenset[str]
    """Code in sentences that is not a whole command: ``affectline up``, ``affectline export --to``.
    """


def read_commands(text: str) -> PageCommands:
    """Find the commands of a page.

    Every line of a block of commands is one. In sentences and tables code is one if it begins with
    the name of a program and is all that it takes. ``affectline up`` only names one, but not in a
    table of what to use for what.
    """
    groups, names, seen = [], set(), set()
    for kind, lines in _split(text):
        is_block = kind == "block"
        found = _read_block(lines) if is_block else _read_inline(lines)
        commands = []
        for command in found:
            if not is_block and is_name(command, is_used=kind == "use"):
                names.add(command)
            elif command not in seen:
                seen.add(command)
                commands.append(command)
        if commands:
            groups.append(Group(is_block, tuple(commands)))
    return PageCommands(tuple(groups), frozenset(names))


def _split(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield blocks, rows of tables and paragraphs; blocks of other things than commands are out."""
    lines = iter([*text.splitlines(), ""])
    paragraph: list[str] = []
    block: list[str] = []
    row = ""
    for line in lines:
        is_indented = line.startswith("    ") and not paragraph
        if block and not is_indented:
            yield "block", block
            block = []
        if fence := FENCE.match(line):
            yield "prose", paragraph
            paragraph = []
            inner = list(iter(lines.__next__, "```"))
            if fence[1] == "sh":
                yield "block", inner
        elif is_indented:
            block.append(line.strip())
        elif line.startswith("|"):
            row = "use" if line.startswith("| to | use |") else row or "row"
            yield row, [line]
            continue
        elif line.strip():
            paragraph.append(line)
        else:
            yield "prose", paragraph
            paragraph = []
        row = ""


def _read_block(lines: list[str]) -> list[str]:
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    commands = [command for line in joined if (command := strip_remark(line))]
    if not commands or _find_program(commands[0]) not in PROGRAMS.keys() | IN_BLOCKS:
        return []  # settings, a program, what a command prints
    return commands


def _read_inline(lines: list[str]) -> list[str]:
    code = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", "\n".join(lines)))
    found = [strip_venv(span) for span in code if " " in span]
    return [command for command in found if _find_program(command) in PROGRAMS.keys() | OTHERS]


def _find_program(command: str) -> str:
    """The first word that is not a variable."""
    return next((word for word in _words(command) if not VARIABLE.match(word)), "")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # not a command: what it prints
        return []


def strip_venv(command: str) -> str:
    """Tests run in an environment already."""
    return re.sub(r"^\.venv/bin/", "", command)


def strip_remark(line: str) -> str:
    """A line of a block without the remark at its end."""
    return strip_venv(re.sub(r"(^|\s+)#.*$", "", line).strip())


def is_name(command: str, *, is_used: bool = False) -> bool:
    """Whether code in a sentence is less than a command: it only names one, or an option of one."""
    words = _words(command)
    if len(words) == 2 and not words[1].startswith("-") and not is_used:
        return True
    if words[0] not in PROGRAMS or "..." in words:
        return False
    try:
        parse(command)
    except Exception as error:
        return type(error).__name__ in LACKING
    return False


def parse(command: str) -> None:
    """Have our command line read a command.

    Raises:
        Exception: It is none that the program accepts; Typer's own copy of click has the class.
    """
    plain = re.sub(r"\s\[[^\]]*\]|\s\.\.\.|\s[|>&].*$", "", command)
    program, *arguments = (PLACEHOLDERS.get(word, word) for word in _words(plain))
    part = PROGRAMS[program]
    while hasattr(part, "commands") and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        if name not in part.commands:
            raise ValueError(f"no command {name!r}: {command}")
        part = part.commands[name]
    if hasattr(part, "commands"):
        if arguments not in ([], ["--help"], ["--version"], ["--install-completion"]):
            raise ValueError(f"no such option: {command}")
        return
    if "--help" in arguments:
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            part.make_context(part.name, arguments)
    except Exception as error:
        if type(error).__name__ != "Exit":  # of an option that prints something
            raise
