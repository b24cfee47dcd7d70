"""The messages about a person: what sensors measure, and what follows from it.

Where `common.wire.messages` is about pictures. Times are nanoseconds since the Unix epoch.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from affectline.common.identifiers import Name
from affectline.common.wire.base import Count, Message, Nanoseconds, Probability

MAX_SAMPLES = 4096
"""Samples in one message: at 256 Hz sixteen seconds; sensors send a tenth of a second or so."""


class Samples(Message):
    """What a sensor measured, a few samples at a time.

    Evenly sampled signals (``rate``) give the time of the first sample; uneven ones, such as RR
    intervals, give each sample's distance from it (``offsets``).
    """

    topic_prefix: ClassVar[str] = "bio"
    message: Literal["Samples"] = "Samples"
    subject: Name
    signal: Name
    """``heart_rate``, ``rr_interval``, ``ppg``, ``ecg``, ``skin_conductance``, or any other."""
    unit: Annotated[str, Field(max_length=40)]
    """As in UCUM: ``/min``, ``ms``, ``uS``, ``mV``, ``1`` for none."""
    device: Annotated[str, Field(max_length=200)] = ""
    synthetic: bool = False
    """Made up for a demonstration: no person was measured."""
    epoch: Count
    """Start of the process in ms since the Unix epoch; a new one starts ``seq`` anew."""
    seq: Count
    """Number of the message in its signal, from 0, without gaps at the sensor's process."""
    at: Nanoseconds
    """When the first sample was taken."""
    rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Samples a second; None where ``offsets`` tell the times."""
    offsets: Annotated[tuple[Count, ...], Field(max_length=MAX_SAMPLES, strict=False)] = ()
    """Nanoseconds from ``at`` to each sample, not falling; empty where there is a ``rate``."""
    values: Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_SAMPLES, strict=False)]
    quality: Probability = 1.0
    """How far the values can be trusted, as the device or its driver says: 0 not at all."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1, such as ``no skin contact``."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if (self.rate is None) != bool(self.offsets):
            raise ValueError("either a rate or offsets tell the times of the samples")
        if self.offsets and len(self.offsets) != len(self.values):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.values)} values")
        if any(b < a for a, b in zip(self.offsets, self.offsets[1:], strict=False)):
            raise ValueError("offsets fall")
        return self

    @property
    def time(self) -> int:
        return self.at

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}/{self.subject}/{self.signal}"


def sample_times(samples: Samples) -> list[int]:
    """When each of a message's samples was taken, in nanoseconds since the Unix epoch."""
    if samples.rate is None:
        return [samples.at + offset for offset in samples.offsets]
    return [samples.at + round(i * 1e9 / samples.rate) for i in range(len(samples.values))]


class SignalContribution(BaseModel):
    """What one signal says about a state."""

    model_config = Message.model_config

    value: float | None = None
    """The signal's own figure, such as beats a minute; None while there is none."""
    unit: str = ""
    baseline: float | None = None
    """The same at rest."""
    contribution: float = 0.0
    """Points of nervousness that it adds to those of a calm person, or takes away."""
    quality: Probability = 0.0
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1."""


class State(Message):
    """How a person is, by all signals together: at most ten times a second."""

    topic_prefix: ClassVar[str] = "state"
    message: Literal["State"] = "State"
    subject: Name
    at: Nanoseconds
    """The newest sample that it rests on."""
    arousal: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From asleep to agitated (Russell 1980); None where no signal says."""
    valence: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From displeased to pleased, by the face; None where no face is seen."""
    nervousness: Annotated[float, Field(ge=0, le=100)] | None = None
    """0 as at rest or calmer, 100 as nervous as can be told; None where no signal says."""
    quality: Probability = 0.0
    """How far that can be trusted; missing and bad signals and a short baseline lower it."""
    baseline: Literal["none", "continuous", "calibrating", "calibrated"] = "none"
    baseline_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of rest that the baseline rests on."""
    signals: dict[str, SignalContribution] = Field(default_factory=dict)
    """``heart``, ``skin``, ``face``: which says what, and how well."""
    synthetic: bool = False
    """Some of the signals were made up for a demonstration."""

    @property
    def time(self) -> int:
        return self.at

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}/{self.subject}"
