"""The messages about a person: samples of sensors, and the state estimated from all signals.

Times are nanoseconds since the Unix epoch.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from affectline.common.identifiers import Name
from affectline.common.wire.base import (
    EXAMPLE_AT,
    EXAMPLE_EPOCH,
    Count,
    Message,
    Nanoseconds,
    Probability,
)

MAX_SAMPLES = 4096
"""Most samples in one message: 16 s at 256 Hz; sensors usually send about 0.1 s at a time."""


class Samples(Message):
    """Samples of one signal of a sensor, a few at a time.

    Evenly sampled signals have a ``rate`` and the time of the first sample; unevenly sampled ones,
    such as RR intervals, have each sample's offset from that time (``offsets``).
    """

    topic_prefix: ClassVar[str] = "bio"
    topic_levels: ClassVar[tuple[str, ...]] = ("subject", "signal")
    is_input: ClassVar[bool] = True
    is_open_to_tools: ClassVar[bool] = True
    message: Literal["Samples"] = "Samples"
    subject: Name
    signal: Name
    """``heart_rate``, ``rr_interval``, ``ppg``, ``ecg``, ``skin_conductance``, or any other."""
    unit: Annotated[str, Field(max_length=40)]
    """As in UCUM: ``/min``, ``ms``, ``uS``, ``mV``, ``1`` for none."""
    device: Annotated[str, Field(max_length=200)] = ""
    synthetic: bool = False
    """Simulated, for a demonstration: no person was measured."""
    epoch: Count
    """Start of the process in ms since the Unix epoch; ``seq`` counts within it."""
    seq: Count
    """Number of the message in its signal, from 0, without gaps at the sensor's process."""
    at: Nanoseconds
    """When the first sample was taken."""
    rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Samples per second; None where ``offsets`` give the times."""
    offsets: Annotated[tuple[Count, ...], Field(max_length=MAX_SAMPLES, strict=False)] = ()
    """Nanoseconds from ``at`` to each sample, never decreasing; empty where there is a ``rate``."""
    values: Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_SAMPLES, strict=False)]
    quality: Probability = 1.0
    """How far the values can be trusted, by the device or its driver: from 0 (not at all) to 1."""
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
    def event_time(self) -> int:
        return self.at

    @property
    def key(self) -> tuple[int, int]:
        return self.epoch, self.seq


def sample_times(samples: Samples) -> list[int]:
    """When each of a message's samples was taken, in nanoseconds since the Unix epoch."""
    if samples.rate is None:
        return [samples.at + offset for offset in samples.offsets]
    return [samples.at + round(i * 1e9 / samples.rate) for i in range(len(samples.values))]


class SignalContribution(BaseModel):
    """What one signal contributes to a state."""

    model_config = Message.model_config

    value: float | None = None
    """The signal's own value, such as beats per minute; None while there is none."""
    unit: str = ""
    baseline: float | None = None
    """The same at rest."""
    contribution: float = 0.0
    """Points of nervousness that it adds to those of a calm person; negative: subtracts."""
    quality: Probability = 0.0
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why the quality is not 1."""


class State(Message):
    """Arousal, valence and nervousness of a person, by all signals: at most ten times a second."""

    topic_prefix: ClassVar[str] = "state"
    topic_levels: ClassVar[tuple[str, ...]] = ("subject",)
    message: Literal["State"] = "State"
    subject: Name
    at: Nanoseconds
    """Time of the newest sample that it is based on."""
    arousal: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From asleep to agitated (Russell 1980); None where no signal indicates it."""
    valence: Annotated[float, Field(ge=-1, le=1)] | None = None
    """From displeased to pleased, by the face; None where no face is seen."""
    nervousness: Annotated[float, Field(ge=0, le=100)] | None = None
    """From 0 (as at rest, or calmer) to 100; None where no signal indicates it."""
    quality: Probability = 0.0
    """How far that can be trusted; missing and bad signals and a short baseline lower it."""
    baseline: Literal["none", "continuous", "calibrating", "calibrated"] = "none"
    baseline_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of rest that the baseline is based on."""
    signals: dict[str, SignalContribution] = Field(default_factory=dict)
    """``heart``, ``skin``, ``face``: the contribution and quality of each."""
    synthetic: bool = False
    """Some of the signals were simulated."""

    @classmethod
    def example(cls) -> Self:
        heart = SignalContribution(
            value=92.0, unit="/min", baseline=68.5, contribution=31.0, quality=0.9
        )
        return cls(
            subject="driver", at=EXAMPLE_AT, arousal=0.4, valence=-0.2, nervousness=63.5,
            quality=0.8, baseline="calibrated", baseline_s=60.0,
            signals={"heart": heart, "face": SignalContribution(reason="no face in sight")},
        )  # fmt: skip

    @property
    def time(self) -> int:
        return self.at

    @property
    def event_time(self) -> int:
        return self.at

    @property
    def key(self) -> tuple[int, int]:
        return 0, self.at
