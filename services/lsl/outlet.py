"""Publishes emotions, states and markers as Lab Streaming Layer streams, e.g. for LabRecorder.

=================================  ========  ===================================================
stream                             type      channels
=================================  ========  ===================================================
``affectline-emotion-<stream>``    Emotion   the seven probabilities of the largest face
``affectline-state-<subject>``     State     arousal, valence, nervousness, quality
``affectline-markers``             Markers   the marker's label, as text
=================================  ========  ===================================================

All of them are irregular. A frame without a face, and whatever is not known, is NaN. A sample's
time is that of the frame, the state or the marker, in LSL's clock.
"""

import math
import socket
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.lsl_time import measure_lsl_offset
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
"""The rate that LSL gives to irregular streams."""


class LslOutlet(Stage):
    """Republishes messages as LSL streams.

    The stream of markers exists from the start, because recorders list streams before they record;
    so do those named here. Others appear with their first message.

    Args:
        streams: Names of video streams.
        subjects: Subject IDs.
    """

    subscriptions = ("emotion/", "state/", "marker/")
    tick_ms = 500

    def __init__(self, streams: Iterable[str] = (), subjects: Iterable[str] = ()) -> None:
        self._streams, self._subjects = tuple(streams), tuple(subjects)
        self._outlets: dict[str, Any] = {}
        self._last_frame: dict[str, tuple[int, int]] = {}
        """Epoch and number of the last frame of each video stream."""

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
            frame = message.epoch, message.seq
            if self._last_frame.get(message.stream, (-1, -1)) >= frame:
                return  # published again for a consumer that missed it
            self._last_frame[message.stream] = frame
            name, at = f"affectline-emotion-{message.stream}", message.captured_at
            self._push_sample(self._outlet(name, "Emotion", LABELS), emotion_row(message), at)
        elif isinstance(message, State):
            name, at = f"affectline-state-{message.subject}", message.at
            self._push_sample(self._outlet(name, "State", STATE_CHANNELS), state_row(message), at)
        elif isinstance(message, Marker):
            outlet = self._outlet(MARKERS, "Markers", ("label",))
            self._push_sample(outlet, [marker_text(message)], message.at)

    def _push_sample(self, outlet: Any, row: list[float] | list[str], at: int) -> None:
        offset = measure_lsl_offset(self.context.now, self._lsl.local_clock)
        sample = row if isinstance(row[0], str) else np.array(row, np.float32)
        outlet.push_sample(sample, timestamp=(at - offset) / 1e9)
        self.context.counters["offered"] += 1

    def _outlet(self, name: str, kind: str, channels: tuple[str, ...]) -> Any:
        """The outlet of a name, created when it is first needed."""
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
    """The seven probabilities of the largest face, in the order of `LABELS`, or NaN."""
    face = max(emotion.faces, key=_area, default=None)
    if face is None or face.probabilities is None:
        return [math.nan] * len(LABELS)
    return list(face.probabilities)


def state_row(state: State) -> list[float]:
    """Arousal (-1 to 1), valence (-1 to 1), nervousness (0 to 100), quality (0 to 1), or NaN."""
    values = (state.arousal, state.valence, state.nervousness, state.quality)
    return [math.nan if value is None else value for value in values]


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]


def run(
    hub: HubSettings,
    delivery: Delivery,
    streams: Iterable[str] = (),
    subjects: Iterable[str] = (),
) -> int:
    """Run the process that publishes LSL streams; return the exit code."""
    return run_service(LslOutlet(streams, subjects), SERVICE, hub, delivery)
