"""``affectline subscribe``: what goes over the bus, for people and for pipes."""

import json
import sys
import time
from typing import Final

from rich.console import Console

from affectline.common.runtime.sockets import OutletSubscriber
from affectline.common.settings.pipeline import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.health import ClockOffset, Health
from affectline.common.wire.messages import (
    Emotion,
    Faces,
    Frame,
    Marker,
    Packet,
    StreamEnd,
    StreamStart,
    describe,
)

HINT_S: Final = 3.0


def run(prefix: str, address: str, form: str, count: int | None) -> None:
    """Print messages until ``count`` of them have come, or for ever."""
    listener = OutletSubscriber(HubSettings(), (prefix,), address)
    left = -1 if count is None else count
    try:
        if not listener.wait(timeout_s=HINT_S):
            hint = f"nothing yet on {address} under '{prefix}': is affectline up running?"
            sys.stderr.write(f"affectline: {hint}\n")
        while left:
            listener.wait()
            for packet in listener.receive():
                show(packet, form)
                left -= 1
                if not left:
                    return
    finally:
        listener.close()


def show(packet: Packet, form: str) -> None:
    """Print a message: as one JSON object, or as a row for people."""
    message = packet.message
    if form == "json":
        sys.stdout.write(json.dumps({"topic": message.topic, **describe(message)}) + "\n")
        sys.stdout.flush()
    else:
        row = f"{time.strftime('%H:%M:%S')}  {message.topic:<24}  {tell(message)}"
        Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(row)


def tell(message: Message) -> str:
    """A message in a few words."""
    if isinstance(message, Emotion):
        faces = ", ".join(
            f"#{f.track} {f.label} {f.confidence:.0%}" if f.label else f"#{f.track} {f.missing}"
            for f in message.faces
        )
        ms = (message.published_at - message.captured_at) / 1e6
        return f"{message.seq:>7}  {ms:6.1f} ms  {faces or message.missing or 'no face'}"
    if isinstance(message, Faces):
        boxes = ", ".join(f"#{f.track} {f.box} {f.angle:+.0f}°" for f in message.faces)
        return f"{message.seq:>7}  {boxes or 'no face'}"
    if isinstance(message, Frame):
        return f"{message.seq:>7}  {message.width}x{message.height} {message.encoding}"
    if isinstance(message, Health):
        counts = " ".join(f"{name} {n}" for name, n in message.counters.items() if n)
        p50 = f"  {message.latency.p50_ms:.1f} ms" if message.latency else ""
        clock = f"  {_clock(message.clock)}" if message.clock else ""
        return f"{message.state}{p50}{clock}  {counts}  {message.detail}".rstrip()
    if isinstance(message, StreamStart):
        return f"start of {message.source}"
    if isinstance(message, StreamEnd):
        return f"{message.reason} after frame {message.last_seq}  {message.detail}".rstrip()
    if isinstance(message, Marker):
        return "  ".join([message.label, *(f"{k}={v}" for k, v in message.extra.items())])
    if isinstance(message, Samples):
        return _samples(message)
    if isinstance(message, State):
        return _state(message)
    return type(message).__name__


def _clock(clock: ClockOffset) -> str:
    return f"clock {clock.offset_ms:+.1f} ± {clock.uncertainty_ms:.1f} ms"


def _samples(samples: Samples) -> str:
    count = len(samples.values)
    parts = [f"{samples.values[-1]:.4g} {samples.unit}"]
    parts += [f"the last of {count}"] if count > 1 else []
    parts += [f"quality {samples.quality:.0%} {samples.reason}"] if samples.quality < 1 else []
    parts += ["synthetic"] if samples.synthetic else []
    return "  ".join(parts)


def _state(state: State) -> str:
    """The figures, and what each signal adds to nervousness."""
    nervous = "unknown" if state.nervousness is None else f"{state.nervousness:.0f}"
    added = [
        f"{name} {share.contribution:+.0f}"
        for name, share in state.signals.items()
        if share.contribution
    ]
    parts = [f"nervousness {nervous}", *([f"({', '.join(added)})"] if added else [])]
    for name, value in (("arousal", state.arousal), ("valence", state.valence)):
        parts += [f"{name} {value:+.2f}"] if value is not None else []
    parts += [f"quality {state.quality:.0%}", *(["synthetic"] if state.synthetic else [])]
    return "  ".join(parts)
