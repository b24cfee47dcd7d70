"""Emotions, states and markers for the Lab Streaming Layer: LabRecorder and others can record them.

=================================  ========  ===================================================
stream                             type      channels
=================================  ========  ===================================================
``affectline-emotion-<stream>``    Emotion   the seven probabilities of the largest face
``affectline-state-<subject>``     State     arousal, valence, nervousness, quality
``affectline-markers``             Markers   the marker's label, as text
=================================  ========  ===================================================

All of them are irregular. A frame without a face, and whatever is not known, is NaN: silence is
never ambiguous. A sample's time is the picture's, the state's or the marker's own, in LSL's clock.
"""

import math
import socket
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.lsl_time import unix_minus_lsl
from affectline.common.runtime.service import Stage, run_service
from affectline.common.settings.pipeline import Delivery, HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import State
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Packet
from affectline.services.sessions.columns import marker_text

SERVICE: Final = "outlet/lsl"
MARKERS: Final = "affectline-markers"
STATE_CHANNELS: Final = ("arousal", "valence", "nervousness", "quality")
IRREGULAR: Final = 0.0
"""LSL's word for a stream without a rate."""


class LslOutlet(Stage):
    """Offers what goes over the bus as LSL streams.

    The stream of markers is there from the beginning, for a recorder lists what it can see before
    it starts; so are those named here. Others appear with their first message.

    Args:
        streams: Names of video streams.
        subjects: Names of persons.
    """

    subscriptions = ("emotion/", "state/", "marker/")
    tick_ms = 500

    def __init__(self, streams: Iterable[str] = (), subjects: Iterable[str] = ()) -> None:
        self._streams, self._subjects = tuple(streams), tuple(subjects)
        self._outlets: dict[str, Any] = {}
        self._said: dict[str, tuple[int, int]] = {}
        """By video stream: epoch and number of the last picture."""

    def setup(self) -> None:
        try:
            from mne_lsl import lsl
        except ImportError as error:
            raise AffectlineError(
                f"lsl-outlet: {error}", "install mne-lsl with pip install 'affectline[sensors]'"
            ) from error
        self._lsl: Any = lsl
        self._outlet(MARKERS, "Markers", ("label",))
        for stream in self._streams:
            self._outlet(f"affectline-emotion-{stream}", "Emotion", LABELS)
        for subject in self._subjects:
            self._outlet(f"affectline-state-{subject}", "State", STATE_CHANNELS)

    def process(self, packet: Packet) -> Iterable[Packet]:
        self._push(packet.message)
        return ()

    def cleanup(self) -> None:
        self._outlets.clear()  # the last references: their sockets close

    def _push(self, message: Message) -> None:
        if isinstance(message, Emotion):
            picture = message.epoch, message.seq
            if self._said.get(message.stream, (-1, -1)) >= picture:
                return  # said again for somebody who missed it
            self._said[message.stream] = picture
            name, at = f"affectline-emotion-{message.stream}", message.captured_at
            self._say(self._outlet(name, "Emotion", LABELS), emotion_row(message), at)
        elif isinstance(message, State):
            name, at = f"affectline-state-{message.subject}", message.at
            self._say(self._outlet(name, "State", STATE_CHANNELS), state_row(message), at)
        elif isinstance(message, Marker):
            outlet = self._outlet(MARKERS, "Markers", ("label",))
            self._say(outlet, [marker_text(message)], message.at)

    def _say(self, outlet: Any, row: list[float] | list[str], at: int) -> None:
        shift = unix_minus_lsl(self.context.now, self._lsl.local_clock)
        sample = row if isinstance(row[0], str) else np.array(row, np.float32)
        outlet.push_sample(sample, timestamp=(at - shift) / 1e9)
        self.context.counters["offered"] += 1

    def _outlet(self, name: str, kind: str, channels: tuple[str, ...]) -> Any:
        """The outlet of a name, made when it is first asked for."""
        if name not in self._outlets:
            dtype = "string" if kind == "Markers" else "float32"
            # The same after a restart, so that recorders find the stream again
            source = f"{name}@{socket.gethostname()}"
            info = self._lsl.StreamInfo(name, kind, len(channels), IRREGULAR, dtype, source)
            info.set_channel_names(list(channels))
            info.set_channel_types(kind.lower())
            info.set_channel_units("none")
            self._outlets[name] = self._lsl.StreamOutlet(info)
        return self._outlets[name]


def emotion_row(emotion: Emotion) -> list[float]:
    """The seven probabilities of the largest face, in the order of `common.labels`, or NaN."""
    face = max(emotion.faces, key=_area, default=None)
    if face is None or face.probabilities is None:
        return [math.nan] * len(LABELS)
    return list(face.probabilities)


def state_row(state: State) -> list[float]:
    """Arousal (-1 to 1), valence (-1 to 1), nervousness (0 to 100), quality (0 to 1), or NaN."""
    figures = (state.arousal, state.valence, state.nervousness, state.quality)
    return [math.nan if figure is None else figure for figure in figures]


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]


def run(
    hub: HubSettings,
    delivery: Delivery,
    streams: Iterable[str] = (),
    subjects: Iterable[str] = (),
) -> int:
    """Be the process that offers LSL streams; return the exit code."""
    return run_service(LslOutlet(streams, subjects), SERVICE, hub, delivery)
