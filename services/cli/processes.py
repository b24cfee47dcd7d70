"""The processes of the pipeline, one command each: for containers and several hosts.

The commands are made from the services' own declarations (`ServiceSpec.configure`).
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, get_args, get_type_hints

import typer

from affectline.common import file_access
from affectline.common.runtime.spec import Argument, Flag, ServiceSpec
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.cli.options import (
    BindHub,
    ConfigFile,
    DeliveryOfProcess,
    HubAddress,
    read_settings,
    with_bind,
)

SHARED: Final[dict[str, Any]] = {
    "config_file": ConfigFile,
    "hub": HubAddress,
    "delivery": DeliveryOfProcess,
}
"""Options that the command of every service has."""
RECEIVING: Final = frozenset({"worker", "transform", "sink"})
"""Roles of the processes that a run can lose messages in."""
OF_THE_HUB: Final[dict[str, Any]] = {
    "bind": BindHub,
    "hub": Annotated[str | None, typer.Option("--hub", hidden=True)],
}
"""For the hub, which listens; ``--hub`` is the former name of its ``--bind``."""


def make_command(spec: ServiceSpec) -> Callable[..., None]:
    """Make a command that runs a service in this process, with the options that it declares."""
    assert spec.configure  # noqa: S101 - for the type checker
    configure = spec.configure
    own = list(inspect.signature(configure).parameters.values())[2:]  # after settings, delivery
    hints = get_type_hints(configure, include_extras=True)

    def command(**given: Any) -> None:
        settings = read_settings(given.pop("config_file"), given.pop("hub"))
        if spec.role == "hub":
            listening = with_bind(settings.hub, given.pop("bind"))
            settings = settings.model_copy(update={"hub": listening})
        file_access.restrict(group=settings.sink.group_access)
        mode = choose_delivery(given.pop("delivery"), settings, spec.role)
        code = spec.run(configure(settings, mode, **given), settings.hub, mode)
        raise typer.Exit(code)

    options = [_option(parameter, hints[parameter.name]) for parameter in own]
    shared = SHARED | OF_THE_HUB if spec.role == "hub" else SHARED
    options += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in shared.items()
    ]
    command.__name__ = spec.kind
    command.__doc__ = f"{spec.summary}\n\nExample: {spec.example}"
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return command


def choose_delivery(given: Delivery | None, settings: PipelineSettings, role: str) -> Delivery:
    """The delivery of a process: as given, as set, or what the hub says to those that receive.

    A classifier or recorder that is started beside a lossless run takes part in it: it may not
    pass over anything. Sources that are started by hand are cameras and sensors, which wait for
    nobody; pages take no part.

    Raises:
        AffectlineError: The hub refuses this process, or its key is not the known one.
        typer.Exit: It was asked to stop before there was a hub.
    """
    if chosen := given or settings.delivery:
        return chosen
    if role not in RECEIVING:
        return "live"
    from affectline.common.runtime.hub_delivery import ask_for_delivery

    if (asked := ask_for_delivery(settings.hub)) is None:
        raise typer.Exit(0)
    return asked


def _option(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    """A declared parameter in the form that Typer reads."""
    kind, declared = get_args(hint)[:2]
    info: Any
    if isinstance(declared, Argument):
        info = typer.Argument(help=declared.help)
    elif isinstance(declared, Flag):
        name = f"--{parameter.name.replace('_', '-')}"
        names = [name] if kind is bool or declared.old_name else []  # a flag without its opposite
        names += [declared.old_name] if declared.old_name else []
        note = f"  [default: {declared.default}]" if declared.default else ""
        info = typer.Option(
            *names,
            help=declared.help + note,
            min=declared.minimum,
            max=declared.maximum,
            parser=declared.parse,
            metavar=declared.metavar,
            hidden=declared.hidden,
        )
    else:
        raise TypeError(f"{parameter.name}: annotate it with Argument or Flag, not {declared!r}")
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default,
        annotation=Annotated[kind, info],
    )
