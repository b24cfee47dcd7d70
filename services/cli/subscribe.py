"""``affectline subscribe``: print messages, as a table for people or as JSON for pipes."""

import json
import math
import select
import sys
import time
from functools import singledispatch
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from affectline.common.clock import monotonic
from affectline.common.runtime.endpoints import is_there
from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import HubSettings, parse_hub
from affectline.common.vision.sign_words import describe_doubts
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.control import Control
from affectline.common.wire.health import ClockOffset, Health
from affectline.common.wire.messages import (
    Emotion,
    Face,
    Faces,
    Frame,
    Marker,
    Packet,
    StreamEnd,
    StreamStart,
    describe,
)
from affectline.services.cli.options import HubAddress

Format = Literal["table", "json"]

HINT_AFTER_S: Final = 3.0
"""Silence after which a hint is printed, in s."""
LOOK_S: Final = 0.2
"""How often to check for a hub, in s."""


def subscribe(
    prefix: Annotated[str, typer.Argument(help="Topic prefix, e.g. emotion/.")] = "",
    hub: HubAddress = None,
    address: Annotated[str | None, typer.Option(hidden=True)] = None,
    form: Annotated[
        Format, typer.Option("--format", help="json: one object per line (JSON Lines).")
    ] = "table",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many messages.")] = None,
) -> None:
    """Print live messages.

    Example: affectline subscribe emotion/ --format json --count 100
    """
    # --address names the outlet itself, as it was spelled before
    print_messages(prefix, parse_hub(hub), form, count, address)


def print_messages(
    prefix: str, hub: HubSettings, form: Format, count: int | None, address: str | None = None
) -> None:
    """Print messages until ``count`` of them have arrived; without a count, until Ctrl-C.

    Args:
        prefix: That of their topics.
        hub: Where they come from.
        form: How they are printed.
        count: How many.
        address: The outlet's address where it is not the hub's own.
    """
    left = -1 if count is None else count
    # An exception that a signal raises anywhere gets lost where it is raised in a destructor
    with WakeupPipe() as wakeup:
        if address is None:
            _wait_for_hub(hub, wakeup)
        subscriber = OutletSubscriber(hub, (prefix,), address)
        try:
            if not subscriber.wait([wakeup.receiver], timeout_s=HINT_AFTER_S):
                sys.stderr.write(
                    f"affectline: no message on {address or hub.outlet} under '{prefix}' yet: is "
                    f"affectline up running, and does your key allow it (docs/security.md)?\n"
                )
            while left and not wakeup.stopping:
                subscriber.wait([wakeup.receiver])
                for packet in subscriber.receive():
                    print_message(packet, form)
                    left -= 1
                    if not left or wakeup.stopping:
                        break
        finally:
            subscriber.close()
    if left:
        raise KeyboardInterrupt


def _wait_for_hub(hub: HubSettings, wakeup: WakeupPipe) -> None:
    """Wait for a hub: only then is it known how to reach it."""
    hint_at = monotonic() + HINT_AFTER_S
    while not (wakeup.stopping or is_there(hub)):
        if monotonic() >= hint_at:
            where = f"{hub.host}:{hub.port}"
            sys.stderr.write(f"affectline: no hub on {where} yet: is affectline up running?\n")
            hint_at = math.inf
        select.select([wakeup.receiver], [], [], LOOK_S)


def print_message(packet: Packet, form: Format) -> None:
    """Print a message: as one JSON object, or as a row for people."""
    message = packet.message
    if form == "json":
        sys.stdout.write(json.dumps({"topic": message.topic, **describe(message)}) + "\n")
        sys.stdout.flush()
    else:
        row = f"{time.strftime('%H:%M:%S')}  {message.topic:<24}  {summarize(message)}"
        Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(row)


@singledispatch
def summarize(message: Message) -> str:
    """Summarize a message in a few words; by default, the name of its kind."""
    return type(message).__name__


@summarize.register
def _(emotion: Emotion) -> str:
    faces = ", ".join(
        (f"#{f.track} {f.label} {f.confidence:.0%}" if f.label else f"#{f.track} {f.missing}")
        + (f" ({describe_doubts(f.doubts)})" if f.doubts else "")
        for f in emotion.faces
    )
    latency_ms = (emotion.published_at - emotion.received_at) / 1e6
    return f"{emotion.seq:>7}  {latency_ms:6.1f} ms  {faces or emotion.missing or 'no face'}"


@summarize.register
def _(faces: Faces) -> str:
    boxes = ", ".join(f"#{f.track} {f.box} {f.angle:+.0f}°{_pose(f)}" for f in faces.faces)
    return f"{faces.seq:>7}  {boxes or 'no face'}"


def _pose(face: Face) -> str:
    if face.yaw is None or face.pitch is None:
        return ""
    return f" yaw {face.yaw:+.0f}° pitch {face.pitch:+.0f}°"


@summarize.register
def _(frame: Frame) -> str:
    return f"{frame.seq:>7}  {frame.width}x{frame.height} {frame.encoding}"


@summarize.register
def _(health: Health) -> str:
    counts = " ".join(f"{name} {n}" for name, n in health.counters.items() if n)
    p50 = f"  {health.latency.p50_ms:.1f} ms" if health.latency else ""
    clock = f"  {_summarize_clock(health.clock)}" if health.clock else ""
    return f"{health.state}{p50}{clock}  {counts}  {health.detail}".rstrip()


@summarize.register
def _(start: StreamStart) -> str:
    return f"start of {start.source}"


@summarize.register
def _(end: StreamEnd) -> str:
    return f"{end.reason} after frame {end.last_seq}  {end.detail}".rstrip()


@summarize.register
def _(marker: Marker) -> str:
    return "  ".join([marker.label, *(f"{k}={v}" for k, v in marker.extra.items())])


@summarize.register
def _(samples: Samples) -> str:
    count = len(samples.values)
    parts = [f"{samples.values[-1]:.4g} {samples.unit}"]
    parts += [f"the last of {count}"] if count > 1 else []
    parts += [f"quality {samples.quality:.0%} {samples.reason}"] if samples.quality < 1 else []
    parts += ["synthetic"] if samples.synthetic else []
    return "  ".join(parts)


@summarize.register
def _(state: State) -> str:
    nervousness = "unknown" if state.nervousness is None else f"{state.nervousness:.0f}"
    contributions = [
        f"{name} {signal.contribution:+.0f}"
        for name, signal in state.signals.items()
        if signal.contribution
    ]
    parts = [f"nervousness {nervousness}"]
    parts += [f"({', '.join(contributions)})"] if contributions else []
    for name, value in (("arousal", state.arousal), ("valence", state.valence)):
        parts += [f"{name} {value:+.2f}"] if value is not None else []
    if state.drowsiness is not None and state.drowsiness.level is not None:
        parts.append(f"drowsiness {state.drowsiness.level:.0f}")
    if state.off_road is not None and state.off_road.share is not None:
        parts.append(f"away {state.off_road.share:.0%}")
    parts += [f"quality {state.quality:.0%}", *(["synthetic"] if state.synthetic else [])]
    return "  ".join(parts)


@summarize.register
def _(control: Control) -> str:
    given = control.action.model_dump(exclude={"command"}, exclude_none=True)
    return "  ".join([control.action.command, *(f"{k}={v}" for k, v in given.items())])


def _summarize_clock(clock: ClockOffset) -> str:
    return f"clock {clock.offset_ms:+.1f} ± {clock.uncertainty_ms:.1f} ms"
