"""Messages about a person: samples of sensors, and the state estimated from all signals.

Times are nanoseconds since the Unix epoch.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from affectline.common.identifiers import Name
from affectline.common.wire.base import (
    EXAMPLE_AT,
    EXAMPLE_EPOCH,
    Count,
    Epoch,
    Message,
    Nanoseconds,
    Probability,
    Seq,
)

MAX_SAMPLES = 4096
"""Maximum samples in one message: 16 s at 256 Hz; sensors usually send about 0.1 s at a time."""
MOST_RATE = 100_000
"""Maximum samples per second."""
SIMULATED: Final = "simulated: no person was measured"
"""The note on a simulated signal, wherever it is described."""
USABLE_QUALITY: Final = 0.05
"""Samples of lower quality, such as those of a strap without skin contact, are neither shown nor
averaged."""


class Samples(Message):
    """Samples of one signal of a sensor, a few at a time.

    Evenly sampled signals have a ``rate`` and the time of the first sample. Unevenly sampled ones,
    such as RR intervals, have each sample's offset from that time in ``offsets``.
    """

    topic_prefix: ClassVar[str] = "bio"
    topic_levels: ClassVar[tuple[str, ...]] = ("subject", "signal")
    published_by: ClassVar[tuple[str, ...]] = ("biometrics",)
    is_input: ClassVar[bool] = True
    is_open_to_tools: ClassVar[bool] = True
    max_header_bytes: ClassVar[int] = 1 << 17
    message: Literal["Samples"] = "Samples"
    subject: Name
    signal: Name
    """``heart_rate``, ``rr_interval``, ``ppg``, ``ecg``, ``skin_conductance``, or any other."""
    unit: Annotated[str, Field(max_length=40)]
    """A UCUM unit: ``/min``, ``ms``, ``uS``, ``mV``, or ``1`` for none."""
    device: Annotated[str, Field(max_length=200)] = ""
    synthetic: bool = False
    """Whether it was simulated for a demonstration: no person was measured."""
    epoch: Epoch
    """Start of the process in ms since the Unix epoch; ``seq`` counts within it."""
    seq: Seq
    """Number of the message in its signal, from 0, without gaps at the sensor's process."""
    at: Nanoseconds
    """When the first sample was taken."""
    rate: Annotated[float, Field(gt=0, le=MOST_RATE)] | None = None
    """Samples per second; None if ``offsets`` has the times."""
    offsets: Annotated[tuple[Count, ...], Field(max_length=MAX_SAMPLES, strict=False)] = ()
    """Nanoseconds from ``at`` to each sample, never decreasing; empty if there is a ``rate``."""
    values: Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_SAMPLES, strict=False)]
    quality: Probability = 1.0
    """Reliability of the values according to the device or its driver, from 0 (none) to 1."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1, such as ``no skin contact``."""

    @classmethod
    def example(cls) -> Self:
        return cls(
            subject="driver", signal="rr_interval", unit="ms", device="strap",
            epoch=EXAMPLE_EPOCH, seq=3, at=EXAMPLE_AT, offsets=(0, 812_000_000),
            values=(798.0, 812.5), quality=0.5, reason="no skin contact",
        )  # fmt: skip

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if (self.rate is None) != bool(self.offsets):
            raise ValueError("set either rate or offsets for the times of the samples")
        if self.offsets and len(self.offsets) != len(self.values):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.values)} values")
        if any(b < a for a, b in zip(self.offsets, self.offsets[1:], strict=False)):
            raise ValueError("offsets decrease")
        if self._end >= 2**63:
            raise ValueError("the last sample's time does not fit into 64 bits")
        return self

    @property
    def _end(self) -> float:
        """Time of the last sample, without a limit."""
        if self.rate is None:
            return self.at + self.offsets[-1]
        return self.at + (len(self.values) - 1) * 1e9 / self.rate

    @property
    def time(self) -> int:
        return self.at

    @property
    def event_time(self) -> int:
        return self.at

    @property
    def latest_moment(self) -> int:
        return max(super().latest_moment, int(self._end))

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, self.seq


def note_on(signal: Any) -> str:
    """What the description of a signal has to say about its origin; empty if it was measured.

    Args:
        signal: A message, series or other object that says with ``synthetic`` whether it is
            simulated.
    """
    return SIMULATED if signal.synthetic else ""


def sample_times(samples: Samples) -> list[int]:
    """The time of each of a message's samples, in nanoseconds since the Unix epoch."""
    if samples.rate is None:
        return [samples.at + offset for offset in samples.offsets]
    return [samples.at + round(i * 1e9 / samples.rate) for i in range(len(samples.values))]


class SignalContribution(BaseModel):
    """The contribution of one signal to a state."""

    model_config = Message.model_config

    value: float | None = None
    """The signal's own value, such as beats per minute; None: there is none."""
    unit: str = ""
    baseline: float | None = None
    """The value at rest."""
    contribution: float = 0.0
    """Points added (negative: subtracted). In ``State.signals``: to nervousness, compared with the
    same person at rest. In `Drowsiness` and `OffRoad`: to the level, and to the share in per cent;
    there the contributions add up to it."""
    quality: Probability = 0.0
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is below 1."""


class Drowsiness(BaseModel):
    """How drowsy a person's lids look; **this was not validated on drowsy people**.

    The level maps published thresholds to one scale. It is not a probability, and not a measure of
    fitness to drive. docs/state.md has the method and its sources.
    """

    model_config = Message.model_config

    level: Annotated[float, Field(ge=0, le=100)] | None = None
    """0: lids of an awake person. From 30 on, PERCLOS is that of questionable wakefulness (0.075);
    from 60 on, that of drowsiness (0.15; Wierwille et al. 1994); 100: 0.25 or more. Long blinks add
    to it. None if PERCLOS is unknown, with the reason in ``reason``."""
    quality: Probability = 0.0
    """Reliability of the measurement of the lids; not the probability of drowsiness."""
    contributions: dict[str, SignalContribution] = Field(default_factory=dict)
    """``perclos``: share of the last 60 s with shut eyes (unit ``1``). ``blink_duration``: median
    of the last 60 s in ms, compared with this person's usual one. They add up to the level."""
    long_blinks: Annotated[int, Field(ge=0)] = 0
    """Blinks of half a second or more that ended in the last 60 s (Schleicher et al. 2008)."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1."""


Look = Literal["learning", "ahead", "away", "unknown"]
"""Where a person looks: not known yet, because the usual direction is not; within the limits around
the usual direction; beyond them; unknown, because no face or no direction is seen."""


class OffRoad(BaseModel):
    """How much a person looks away from the usual direction, by the pose of the head.

    **It was not validated on drivers.** The usual direction is taken to be that of the road. Looks
    into mirrors and over the shoulder also count as away, and eye movements without the head are
    not seen. docs/state.md has the method, its limits and their sources.
    """

    model_config = Message.model_config

    now: Look = "learning"
    now_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds since ``now`` last changed."""
    share: Probability | None = None
    """Share of the known time in the last 60 s spent looking away; None if less than 10 s are
    known."""
    longest_s: Annotated[float, Field(ge=0)] | None = None
    """Longest glance away that ended within the last 60 s or is still going on, at full length in
    seconds; 0: there was none. None if the share is None."""
    long_glances: Annotated[int, Field(ge=0)] = 0
    """Number of these glances longer than 2 s, the limit of NHTSA's guideline for tasks (2013)."""
    unknown: Probability = 0.0
    """Share of the last 60 s in which the direction was unknown; it counts neither as away nor as
    ahead."""
    known_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Seconds of the last 60 s in which the direction was known."""
    usual_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of data that the usual direction is based on."""
    quality: Probability = 0.0
    """Reliability of the share; unknown time and little data on the usual direction lower it."""
    contributions: dict[str, SignalContribution] = Field(default_factory=dict)
    """``yaw`` and ``pitch`` in degrees (unit ``deg``): the present angle (positive to the person's
    own left, and upwards) as value, the usual one as baseline, and as contribution the per cent of
    known time that were away by it; these add up to 100 times the share."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1."""


EXAMPLE_DROWSINESS: Final = Drowsiness(
    level=38.0, quality=0.9, long_blinks=1, reason="the eyes were not seen for 6 s of 60",
    contributions={
        "perclos": SignalContribution(value=0.08, unit="1", contribution=32.0, quality=0.9),
        "blink_duration": SignalContribution(
            value=260.0, unit="ms", baseline=220.0, contribution=6.0, quality=0.9
        ),
    },
)  # fmt: skip
EXAMPLE_OFF_ROAD: Final = OffRoad(
    now="away", now_s=1.2, share=0.25, longest_s=2.4, long_glances=1, unknown=0.1, known_s=54.0,
    usual_s=180.0, quality=0.9, reason="the direction was unknown for 6 s of 60",
    contributions={
        "yaw": SignalContribution(
            value=-31.0, unit="deg", baseline=4.0, contribution=20.0, quality=1.0
        ),
        "pitch": SignalContribution(
            value=-2.5, unit="deg", baseline=-3.0, contribution=5.0, quality=1.0
        ),
    },
)  # fmt: skip


class State(Message):
    """Arousal, valence, nervousness, drowsiness and looks away of a person, from all signals.

    At most ten times a second. Drowsiness and looks away were not validated on drivers.
    """

    topic_prefix: ClassVar[str] = "state"
    topic_levels: ClassVar[tuple[str, ...]] = ("subject",)
    published_by: ClassVar[tuple[str, ...]] = ("fusion",)
    version: Literal[2] = 2  # type: ignore[assignment]
    """Version 1 had no ``drowsiness`` and no ``off_road``."""
    message: Literal["State"] = "State"
    subject: Name
    at: Nanoseconds
    """Time of the newest sample that it is based on."""
    arousal: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From asleep to agitated (Russell 1980); None if no signal indicates it."""
    valence: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From displeased to pleased, from the face; None if no face is seen."""
    nervousness: Annotated[float, Field(ge=0, le=100)] | None = None
    """From 0 (as at rest, or calmer) to 100; None if no signal indicates it."""
    quality: Probability = 0.0
    """Reliability of these values; missing and bad signals and a short baseline lower it."""
    baseline: Literal["none", "continuous", "calibrating", "calibrated"] = "none"
    baseline_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of rest that the baseline is based on."""
    signals: dict[str, SignalContribution] = Field(default_factory=dict)
    """``heart``, ``skin`` and ``face``: contribution and quality of each."""
    drowsiness: Drowsiness | None = None
    """From lids and blinks; None if the eyes were not measured. Not validated."""
    off_road: OffRoad | None = None
    """From the pose of the head; None if that was not measured. Not validated."""
    synthetic: bool = False
    """Whether some of the signals were simulated."""

    @classmethod
    def example(cls) -> Self:
        heart = SignalContribution(
            value=92.0, unit="/min", baseline=68.5, contribution=31.0, quality=0.9
        )
        return cls(
            subject="driver", at=EXAMPLE_AT, arousal=0.4, valence=-0.2, nervousness=63.5,
            quality=0.8, baseline="calibrated", baseline_s=60.0,
            signals={"heart": heart, "face": SignalContribution(reason="no face in sight")},
            drowsiness=EXAMPLE_DROWSINESS, off_road=EXAMPLE_OFF_ROAD,
        )  # fmt: skip

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "version": 2} if fields.get("version") == 1 else fields

    @property
    def time(self) -> int:
        return self.at

    @property
    def event_time(self) -> int:
        return self.at

    @property
    def key(self) -> tuple[int, int]:
        return 0, self.at
