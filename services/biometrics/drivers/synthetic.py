"""A simulated subject for demonstrations: nobody was measured, and every message says so."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from affectline.common.settings.biometrics import BiometricsSettings, Speed
from affectline.services.biometrics.driver import WAIT_S, Driver, Reading
from affectline.services.biometrics.validation import NS

BLOCK_NS: Final = NS // 4
"""Signals are generated a quarter of a second at a time: one sample of skin conductance."""
SKIN_RATE: Final = 4.0
"""Like an Empatica E4."""
REST_RATE: Final = 66.0
STRESS_RATE: Final = 94.0
"""Beats a minute; public speaking raises the rate by about this much (Kirschbaum et al. 1993)."""
BREATHING_HZ: Final = 0.25
BREATHING_DEPTH: Final = 0.05
"""Respiratory sinus arrhythmia as a share of the rate; stress removes most of it (Task Force of the
ESC 1996)."""
BEAT_NOISE: Final = 0.01
RESPONSES_REST_HZ: Final = 3 / 60
RESPONSES_STRESS_HZ: Final = 18 / 60
"""Skin conductance responses: 1 to 3 a minute at rest, over 20 when aroused (Boucsein 2012)."""
LEVEL_US: Final = 4.0
STRESS_LEVEL_US: Final = 2.5
"""How much stress adds to the level."""
RISE_S: Final = 0.75
DECAY_S: Final = 4.0
"""Time constants of one response (Bateman function; Benedek & Kaernbach 2010: 0.75 and 2 s, but
recovery takes longer in many people)."""
ONSET_S: Final = 6.0
"""Time constant with which arousal follows stress."""
AVERAGED_BEATS: Final = 5
"""Number of beats in the average of the heart rate, as in heart-rate straps."""


@dataclass
class _Response:
    start_s: float
    height_us: float


class SimulatedSubject:
    """Generates signals block by block; the same seed generates the same signals."""

    def __init__(self, seed: int, stress: tuple[float, float] | None) -> None:
        self._random = np.random.default_rng(seed)
        self._stress = stress
        self._arousal = 0.0
        self._phase = 0.0
        self._since_beat_ns = 0
        self._intervals: deque[float] = deque(maxlen=AVERAGED_BEATS)
        self._responses: list[_Response] = []
        self._block = 0

    def next_block(self) -> tuple[list[tuple[int, float]], float, float | None]:
        """Generate the next quarter of a second.

        Returns:
            Beats (ns from the start, RR interval in ms), skin conductance in uS at the block's
            start, and once a second the heart rate a minute at the block's end.
        """
        start = self._block * BLOCK_NS
        seconds = start / NS
        stressed = bool(self._stress and self._stress[0] <= seconds < self._stress[1])
        self._arousal += (stressed - self._arousal) * (BLOCK_NS / NS) / ONSET_S
        skin = self._skin_conductance(seconds)
        beats = self._beats(start)
        self._block += 1
        rate = None
        if self._block % 4 == 0 and self._intervals:
            rate = round(60_000 / (sum(self._intervals) / len(self._intervals)))
        return beats, skin, None if rate is None else float(rate)

    def _beats(self, start: int) -> list[tuple[int, float]]:
        """Beats of one block: one whenever the phase, the integral of the rate, reaches 1."""
        beats = []
        step = BLOCK_NS // 50
        for i in range(50):
            breath = math.sin(2 * math.pi * BREATHING_HZ * (start + i * step) / NS)
            depth = BREATHING_DEPTH * (1 - 0.7 * self._arousal)
            rate = REST_RATE + (STRESS_RATE - REST_RATE) * self._arousal
            self._phase += rate / 60 * (1 + depth * breath) * step / NS
            self._since_beat_ns += step
            if self._phase >= 1:
                self._phase -= 1 + BEAT_NOISE * float(self._random.standard_normal())
                # Straps count in 1024ths of a second
                interval = round(self._since_beat_ns * 1024 / NS) * 1000 / 1024
                self._since_beat_ns = 0
                self._intervals.append(interval)
                beats.append((start + (i + 1) * step, interval))
        return beats

    def _skin_conductance(self, seconds: float) -> float:
        response_hz = RESPONSES_REST_HZ + (RESPONSES_STRESS_HZ - RESPONSES_REST_HZ) * self._arousal
        chance, height, noise = self._random.random(3)
        if chance < response_hz * BLOCK_NS / NS:
            self._responses.append(_Response(seconds, 0.1 + 0.4 * float(height)))
        self._responses = [r for r in self._responses if seconds - r.start_s < 10 * DECAY_S]
        level = LEVEL_US + STRESS_LEVEL_US * self._arousal + 0.2 * math.sin(seconds / 40)
        responses = sum(r.height_us * _bateman(seconds - r.start_s) for r in self._responses)
        return round(level + responses + 0.004 * (float(noise) - 0.5), 4)


def _bateman(seconds: float) -> float:
    """The shape of a skin conductance response, scaled to a peak of 1."""
    peak_s = math.log(DECAY_S / RISE_S) * DECAY_S * RISE_S / (DECAY_S - RISE_S)
    height = math.exp(-peak_s / DECAY_S) - math.exp(-peak_s / RISE_S)
    return (math.exp(-seconds / DECAY_S) - math.exp(-seconds / RISE_S)) / height


def read_stress(value: object) -> object:
    """A time span from the text ``FROM-TO``, in seconds; other values are returned unchanged.

    Raises:
        ValueError: The text has another form.
    """
    if not isinstance(value, str):
        return value
    start, _, end = value.partition("-")
    try:
        return float(start), float(end)
    except ValueError as error:
        raise ValueError(f"{value}: not FROM-TO in seconds, as in 20-40") from error


class SyntheticSettings(BiometricsSettings):
    """A simulated subject."""

    driver: Literal["synthetic"] = "synthetic"
    speed: Speed | None = None
    """1 generates signals in real time, ``max`` as fast as they are consumed; by default the pace
    and rate of the run, and 1 outside of one."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    """The same seed generates the same signals."""
    stress: Annotated[
        tuple[float, float] | None, BeforeValidator(read_stress), Field(examples=["20-40"])
    ] = None
    """Start and end of a period of stress, in seconds from the start."""
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds until it ends; by default it does not end."""

    @property
    def is_recording(self) -> bool:
        return True  # like a recording, it can wait, and has its place on the time line

    @property
    def is_endless(self) -> bool:
        return self.duration is None

    @model_validator(mode="after")
    def _check_stress(self) -> Self:
        if self.stress and not 0 <= self.stress[0] < self.stress[1]:
            raise ValueError(f"stress is from and to in seconds, not {self.stress}")
        return self


class SyntheticDriver(Driver):
    """Simulated heart rate, RR intervals and skin conductance; nobody is measured."""

    settings_model = SyntheticSettings
    _settings: SyntheticSettings
    synthetic = True
    can_wait = True
    device = "synthetic person"

    def open(self) -> None:
        self._subject = SimulatedSubject(self._settings.seed, self._settings.stress)
        start = self.timing.session_start
        self._start = self._clock.now() if start is None else start
        self._started_s = self._clock.monotonic()
        self._speed = self._settings.speed or self.timing.speed
        self._block = 0

    def read(self) -> list[Reading]:
        readings: list[Reading] = []
        for _ in range(self._blocks_due()):
            readings += self._next_readings()
            if self._is_over():
                self.ended = True
                break
        self.complete_until = self._start + self._block * BLOCK_NS
        return readings

    def _is_over(self) -> bool:
        duration, ends_at = self._settings.duration, self.timing.ends_at
        length = self._block * BLOCK_NS
        has_ended = duration is not None and length >= duration * NS
        return has_ended or (ends_at is not None and self._start + length >= ends_at)

    def _blocks_due(self) -> int:
        """How many blocks are over by now and not generated yet."""
        # One at a time if others wait, so that messages are the same at any pace
        at_once = 1 if self.timing.is_aligned else 4
        if self._speed == "max":
            return at_once
        if self.timing.is_aligned and self._blocks_over() > self._block:
            return 1
        self._clock.wait(WAIT_S)
        due = self._blocks_over() - self._block
        return min(due, 1) if self.timing.is_aligned else due

    def _blocks_over(self) -> int:
        """How many blocks are over by now."""
        if self.timing.follows_clock and self._settings.speed is None:
            return (self._clock.now() - self._start) // BLOCK_NS
        assert self._speed != "max"  # noqa: S101 - for the type checker
        elapsed_s = (self._clock.monotonic() - self._started_s) * self._speed
        return int(elapsed_s * NS // BLOCK_NS)

    def _next_readings(self) -> list[Reading]:
        at = self._start + self._block * BLOCK_NS
        beats, skin, rate = self._subject.next_block()
        self._block += 1
        readings = [Reading("skin_conductance", "uS", at, (skin,), SKIN_RATE)]
        if rate is not None:
            readings.append(Reading("heart_rate", "/min", at + BLOCK_NS, (rate,), offsets=(0,)))
        for beat, interval in beats:
            placed = self._start + beat
            readings.append(Reading("rr_interval", "ms", placed, (interval,), offsets=(0,)))
        return readings
