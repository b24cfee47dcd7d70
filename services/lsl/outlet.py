"""Publishes emotions, states and markers as Lab Streaming Layer streams, e.g. for LabRecorder.

=================================  ========  ===================================================
stream                             type      channels
=================================  ========  ===================================================
``affectline-emotion-<stream>``    Emotion   the seven probabilities, valence, arousal of the
                                             largest face
``affectline-face-<stream>``       Face      head pose, eyes, mouth, gaze and doubts of the same
                                             face: `services.sessions.sign_channels`
``affectline-state-<subject>``     State     arousal, valence, nervousness, quality
``affectline-driver-<subject>``    Driver    drowsiness and looks away:
                                             `services.sessions.sign_channels`
``affectline-faces-<stream>``      Faces     how many faces there are, and track and box of the
                                             largest
``affectline-<signal>-<subject>``  the       the samples of a signal, such as ``heart_rate`` (type
                                   signal    ``HeartRate``) or ``skin_conductance`` (``EDA``)
``affectline-markers``             Markers   the marker's label, as text
=================================  ========  ===================================================

Faces and drivers have their own streams, so that the others keep the channels that recorders know.
Units and remarks, such as what was not validated, are in their descriptions. These streams appear
with the first frame or state in which any of their signs was measured, or at the start if the
settings name them.

All streams are irregular. Frames without a face, and unknown values, are NaN. A sample's time is
that of the frame, the state or the marker, on LSL's clock (`LslClock`).
"""

import math
import socket
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.lsl_library import import_lsl
from affectline.common.runtime.event_time import RepeatFilter
from affectline.common.runtime.stage import Stage, on
from affectline.common.stderr import silence_stderr
from affectline.common.wire.biometrics import Samples, State, note_on, sample_times
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Packet, StreamStart
from affectline.services.lsl.lsl_clock import LslClock
from affectline.services.lsl.spec import LslProcess
from affectline.services.sessions.columns import marker_text
from affectline.services.sessions.sign_channels import (
    DRIVER_CHANNELS,
    FACE_CHANNELS,
    SignChannel,
    driver_row,
    face_row,
    has_signs,
)

MARKERS: Final = "affectline-markers"
EMOTION_CHANNELS: Final = (*LABELS, "valence", "arousal")
FACES_CHANNELS: Final = (
    SignChannel("faces", "count"),
    SignChannel("track", "number", "the same face over time"),
    *(SignChannel(name, "pixels", "of the largest face's box") for name in ("x", "y", "w", "h")),
)
SIGNAL_TYPES: Final = {
    "heart_rate": "HeartRate", "rr_interval": "RR", "skin_conductance": "EDA", "ecg": "ECG",
    "ppg": "PPG", "temperature": "Temperature",
}  # fmt: skip
"""LSL's usual content type of a signal; others are ``Signal``."""
STATE_CHANNELS: Final = ("arousal", "valence", "nervousness", "quality")
IRREGULAR: Final = 0.0
"""The rate with which LSL marks irregular streams."""


class LslOutlet(Stage):
    """Republishes messages as LSL streams.

    The marker stream and those named in the settings exist from the start, because recorders list
    streams before they record. Others appear with their first message.
    """

    tick_ms = 500

    def __init__(self, process: LslProcess) -> None:
        self._streams, self._subjects = process.streams, process.subjects
        self._outlets: dict[str, Any] = {}
        self._last_frame: dict[str, tuple[int, int]] = {}
        """Epoch and number of the last frame of each video stream."""
        self._repeats = RepeatFilter()

    def setup(self) -> None:
        try:
            lsl = import_lsl()
        except ImportError as error:
            raise AffectlineError(
                f"lsl-outlet: {error}", "install mne-lsl with pip install 'affectline[sensors]'"
            ) from error
        self._lsl: Any = lsl
        self._clock = LslClock(self.context.now, lsl.local_clock)
        self._outlet(MARKERS, "Markers", ("label",))
        for stream in self._streams:
            self._outlet(f"affectline-emotion-{stream}", "Emotion", EMOTION_CHANNELS)
            self._outlet(f"affectline-face-{stream}", "Face", FACE_CHANNELS)
            self._outlet(f"affectline-faces-{stream}", "Faces", FACES_CHANNELS)
        for subject in self._subjects:
            self._outlet(f"affectline-state-{subject}", "State", STATE_CHANNELS)
            self._outlet(f"affectline-driver-{subject}", "Driver", DRIVER_CHANNELS)

    def cleanup(self) -> None:
        self._outlets.clear()  # dropping the last references closes their sockets

    @on(StreamStart)
    def on_stream_start(self, packet: Packet[StreamStart]) -> Iterable[Packet]:
        """Find out whether it is a film, which has its own times."""
        self._clock.observe(packet.message)
        return ()

    @on(Emotion)
    def on_emotion(self, packet: Packet[Emotion]) -> Iterable[Packet]:
        """Publish probabilities, valence, arousal and signs of the largest face."""
        emotion = packet.message
        frame = emotion.epoch, emotion.seq
        if self._last_frame.get(emotion.stream, (-1, -1)) >= frame:
            return ()  # published again for a consumer that missed it
        self._last_frame[emotion.stream] = frame
        self._clock.observe(emotion)
        outlet = self._outlet(f"affectline-emotion-{emotion.stream}", "Emotion", EMOTION_CHANNELS)
        self._push_sample(outlet, emotion_row(emotion), emotion.captured_at)
        outlet = self._outlet(f"affectline-faces-{emotion.stream}", "Faces", FACES_CHANNELS)
        self._push_sample(outlet, faces_row(emotion), emotion.captured_at)
        face, name = _largest(emotion), f"affectline-face-{emotion.stream}"
        if name in self._outlets or has_signs(face):
            outlet = self._outlet(name, "Face", FACE_CHANNELS)
            self._push_sample(outlet, face_row(face), emotion.captured_at)
        return ()

    @on(State)
    def on_state(self, packet: Packet[State]) -> Iterable[Packet]:
        """Publish a subject's state."""
        state = packet.message
        channels = tuple(_describe(channel, note_on(state)) for channel in STATE_CHANNELS)
        outlet = self._outlet(f"affectline-state-{state.subject}", "State", channels)
        self._push_sample(outlet, state_row(state), state.at)
        name = f"affectline-driver-{state.subject}"
        if name in self._outlets or state.drowsiness or state.off_road:
            outlet = self._outlet(name, "Driver", DRIVER_CHANNELS)
            self._push_sample(outlet, driver_row(state), state.at)
        return ()

    @on(Samples)
    def on_samples(self, packet: Packet[Samples]) -> Iterable[Packet]:
        """Publish the samples of a signal, each at its own time."""
        samples = packet.message
        if self._repeats.is_repeated(samples):
            return ()
        name = f"affectline-{samples.signal}-{samples.subject}"
        kind = SIGNAL_TYPES.get(samples.signal, "Signal")
        channel = SignChannel(samples.signal, samples.unit, note_on(samples))
        outlet = self._outlet(name, kind, (channel,))
        for at, value in zip(sample_times(samples), samples.values, strict=True):
            self._push_sample(outlet, [value], at)
        return ()

    @on(Marker)
    def on_marker(self, packet: Packet[Marker]) -> Iterable[Packet]:
        """Publish a marker."""
        if self._repeats.is_repeated(packet.message):
            return ()
        outlet = self._outlet(MARKERS, "Markers", ("label",))
        self._push_sample(outlet, [marker_text(packet.message)], packet.message.at)
        return ()

    def _push_sample(self, outlet: Any, row: list[float] | list[str], at: int) -> None:
        sample = row if isinstance(row[0], str) else np.array(row, np.float32)
        outlet.push_sample(sample, timestamp=self._clock.time_of(at))
        self.context.counters["offered"] += 1

    def _outlet(self, name: str, kind: str, channels: tuple[str | SignChannel, ...]) -> Any:
        """The outlet with a name, created when it is first needed."""
        if name not in self._outlets:
            dtype = "string" if kind == "Markers" else "float32"
            # The same ID after a restart, so that recorders find the stream again
            source = f"{name}@{socket.gethostname()}"
            described = [_describe(channel) for channel in channels]
            info = self._lsl.StreamInfo(name, kind, len(channels), IRREGULAR, dtype, source)
            info.set_channel_names([channel.name for channel in described])
            info.set_channel_types(kind.lower())
            info.set_channel_units([channel.unit for channel in described])
            _add_notes(info, described)
            with silence_stderr():
                self._outlets[name] = self._lsl.StreamOutlet(info)
        return self._outlets[name]


def emotion_row(emotion: Emotion) -> list[float]:
    """The largest face's values of the `EMOTION_CHANNELS`, or NaN."""
    face = _largest(emotion)
    if face is None or face.probabilities is None:
        return [math.nan] * len(EMOTION_CHANNELS)
    affect = (face.valence, face.arousal)
    return [*face.probabilities, *(math.nan if value is None else value for value in affect)]


def faces_row(emotion: Emotion) -> list[float]:
    """The number of faces, and track and box (in pixels) of the largest, or NaN."""
    face = _largest(emotion)
    if face is None:
        return [0.0] + [math.nan] * (len(FACES_CHANNELS) - 1)
    return [float(value) for value in (len(emotion.faces), face.track, *face.box)]


def state_row(state: State) -> list[float]:
    """Arousal (-1 to 1), valence (-1 to 1), nervousness (0 to 100), quality (0 to 1), or NaN."""
    values = (state.arousal, state.valence, state.nervousness, state.quality)
    return [math.nan if value is None else value for value in values]


def _describe(channel: str | SignChannel, note: str = "") -> SignChannel:
    return channel if isinstance(channel, SignChannel) else SignChannel(channel, "none", note)


def _add_notes(info: Any, channels: list[SignChannel]) -> None:
    """Add the channels' notes to the XML description, as ``note``."""
    element = info.desc.child("channels").first_child()
    for channel in channels:
        if channel.note:
            element.append_child_value("note", channel.note)
        element = element.next_sibling()


def _largest(emotion: Emotion) -> FaceEmotion | None:
    return max(emotion.faces, key=_area, default=None)


def _area(face: FaceEmotion) -> int:
    return face.box[2] * face.box[3]
