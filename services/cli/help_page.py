"""The help of the command line: it fits a screen, and names values plainly."""

import textwrap
from copy import copy
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

GROUPS: Final[dict[str, dict[str, str]]] = {
    "Analyse": {
        "analyse": "many films: a session for each, and one table for all",
        "study": "compare sessions by condition and around events",
        "up": "run a whole pipeline on films, cameras and sensors",
        "calibrate": "fit the expressions to one person",
    },
    "Live": {
        "mark": "set a marker at the current moment of the session",
        "control": "pause, seek, record, calibrate, quit",
        "remote": "accept markers and recordings over HTTP, WebSocket, TCP",
        "subscribe": "print messages as they arrive",
        "biometrics": "publish signals of a strap, board, stream or table",
        "record": "record a running pipeline, until Ctrl-C",
        "dashboard": "serve the page in the browser",
        "lsl-outlet": "publish results to the Lab Streaming Layer",
    },
    "Sessions": {
        "sessions": "list the sessions of a folder, or remove some",
        "info": "show what a session contains",
        "check": "verify every byte of a recording",
        "report": "write one page with curves, markers and a summary",
        "annotate": "label a part of a session, or exclude it from studies",
        "tracks": "name or merge the faces of a session",
        "replay": "replay a recording, or analyse it again",
        "export": "write sessions as csv, parquet, mp4, xdf, bids and others",
    },
    "Training": {
        "collect": "collect labelled faces of volunteers on a web page",
        "train": "train and evaluate models (affectline-train)",
        "validate": "check the stress estimate on public datasets",
    },
    "Advanced: single processes, for containers and several hosts": {
        "hub": "run the hub that all others connect to",
        "keys": "manage the keys of other machines and tools",
        "capture": "publish the frames of one source",
        "detector": "find and track the faces of one stream",
        "classifier": "classify faces; run several, and they share the work",
        "fusion": "estimate a person's state from sensors and face",
        "sink": "write the tables of all streams",
    },
    "Help": {
        "sync-test": "measure a camera's delay with a flashing square",
        "doctor": "check camera, display, ports, model and packages",
        "schema": "print the JSON Schema of messages",
    },
}
"""The commands by what people want, each with its line in the help."""
HELP_ALL: Final = "--help-all"
ASKED: Final = "affectline.arguments"
LEFT_OUT: Final = "affectline.left_out"
"""Where a context keeps the arguments, and the options that its help leaves out."""
RARE: Final = frozenset({
    "answer", "as_film", "as_json", "backend", "bind", "calibration", "classifiers",
    "group_access", "insecure", "log_format", "log_level", "model", "no_open", "pace", "run",
    "session", "stats",
    "task", "topics", "trace",
})  # fmt: skip
"""Options that ``--help`` of a command with many options only names."""


class GroupedCommands(TyperGroup):
    """The whole command line, whose help is one line for each command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: it fits a screen of 80 columns and 43 lines."""
        name = ctx.command_path
        formatter.write(f"Usage: {name} COMMAND [OPTIONS]     {name} COMMAND --help shows more\n")
        formatter.write(f"{self.help}\n\n")
        for title, commands in GROUPS.items():
            formatter.write(f"{title}\n")
            for command, summary in commands.items():
                formatter.write(f"  {command:<12}{summary}\n")
        formatter.write("Options: --version, --install-completion, --show-completion, --help\n")


class BriefCommand(TyperCommand):
    """A command with many options: ``--help`` explains the common ones, ``--help-all`` all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; ``--help-all`` is a ``--help`` that leaves nothing out."""
        ctx.meta[ASKED] = tuple(args)
        parsed: list[str] = super().parse_args(ctx, ["--help"] if HELP_ALL in args else args)
        return parsed

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters; some are hidden while the help is written."""
        left_out = ctx.meta.get(LEFT_OUT, ())
        return [_hide(p) if p.name in left_out else p for p in super().get_params(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and the names of those that are left out."""
        rare = {} if HELP_ALL in ctx.meta.get(ASKED, ()) else self.rare_options(ctx)
        ctx.meta[LEFT_OUT] = {name for options in rare.values() for name in options}
        super().format_options(ctx, formatter)
        if not rare:
            return
        formatter.write(f"\nMore options, which {HELP_ALL} explains:\n")
        widest = max(map(len, rare))
        for title, options in rare.items():
            begin = f"  {title:<{widest}}  " if widest else "  "
            lines = textwrap.wrap(
                ", ".join(options.values()), formatter.width, break_on_hyphens=False,
                initial_indent=begin, subsequent_indent=" " * len(begin),
            )  # fmt: skip
            formatter.write("\n".join([*lines, ""]))

    def rare_options(self, ctx: Any) -> dict[str, dict[str, str]]:
        """The options that ``--help`` only names: by a title, by the parameter's name."""
        shown = [p for p in self.get_params(ctx) if p.name in RARE and not p.hidden]
        return {"": {p.name: p.opts[0] for p in shown}} if shown else {}


def _hide(parameter: Any) -> Any:
    hidden = copy(parameter)
    hidden.hidden = True
    return hidden


def print_version(requested: bool) -> None:
    """Print the version, where it was asked for, and end."""
    if requested:
        typer.echo(f"affectline {import_module('affectline').__version__}")
        raise typer.Exit
