"""A made-up person for demonstrations: nobody was measured, and every message says so."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import WAIT_S, Clock, Driver, Reading
from affectline.services.biometrics.validation import NS

BLOCK_NS: Final = NS // 4
"""The person is made a quarter of a second at a time: one sample of skin conductance."""
SKIN_RATE: Final = 4.0
"""As an Empatica E4."""
REST_RATE: Final = 66.0
STRESS_RATE: Final = 94.0
"""Beats a minute; public speaking raises it about so much (Kirschbaum et al. 1993)."""
BREATHS_HZ: Final = 0.25
BREATH_DEPTH: Final = 0.05
"""Respiratory sinus arrhythmia as part of the rate; stress takes most of it away (Task Force of
the ESC 1996)."""
BEAT_NOISE: Final = 0.01
RESPONSES_REST_HZ: Final = 3 / 60
RESPONSES_STRESS_HZ: Final = 18 / 60
"""Skin conductance responses: 1 to 3 a minute at rest, over 20 when aroused (Boucsein 2012)."""
LEVEL_US: Final = 4.0
STRESS_LEVEL_US: Final = 2.5
"""What stress adds to the level in time."""
RISE_S: Final = 0.75
DECAY_S: Final = 4.0
"""Time constants of one response (Bateman function; Benedek & Kaernbach 2010: 0.75 and 2 s, but
recovery takes longer in many people)."""
ONSET_S: Final = 6.0
"""How fast stress takes hold, and lets go."""
BEATS_SHOWN: Final = 5
"""Beats that the heart rate is a mean of, as straps do it."""


@dataclass
class _Response:
    began_s: float
    height_us: float


class SimulatedSubject:
    """The signals of a made-up person, block after block; a seed makes the same ones again."""

    def __init__(self, seed: int, stress: tuple[float, float] | None) -> None:
        self._random = np.random.default_rng(seed)
        self._stress = stress
        self._arousal = 0.0
        self._phase = 0.0
        self._since_beat_ns = 0
        self._intervals: deque[float] = deque(maxlen=BEATS_SHOWN)
        self._responses: list[_Response] = []
        self._block = 0

    def block(self) -> tuple[list[tuple[int, float]], float, float | None]:
        """Live for a quarter of a second.

        Returns:
            Beats (ns from the start, RR interval in ms), skin conductance in uS at the block's
            start, and once a second the heart rate a minute at the block's end.
        """
        start = self._block * BLOCK_NS
        seconds = start / NS
        stressed = bool(self._stress and self._stress[0] <= seconds < self._stress[1])
        self._arousal += (stressed - self._arousal) * (BLOCK_NS / NS) / ONSET_S
        skin = self._skin(seconds)
        beats = self._beat(start)
        self._block += 1
        rate = None
        if self._block % 4 == 0 and self._intervals:
            rate = round(60_000 / (sum(self._intervals) / len(self._intervals)))
        return beats, skin, None if rate is None else float(rate)

    def _beat(self, start: int) -> list[tuple[int, float]]:
        """The heart beats whenever its phase, the integral of the rate, is full."""
        beats = []
        step = BLOCK_NS // 50
        for i in range(50):
            breath = math.sin(2 * math.pi * BREATHS_HZ * (start + i * step) / NS)
            depth = BREATH_DEPTH * (1 - 0.7 * self._arousal)
            rate = REST_RATE + (STRESS_RATE - REST_RATE) * self._arousal
            self._phase += rate / 60 * (1 + depth * breath) * step / NS
            self._since_beat_ns += step
            if self._phase >= 1:
                self._phase -= 1 + BEAT_NOISE * float(self._random.standard_normal())
                # A strap counts in 1024ths of a second
                interval = round(self._since_beat_ns * 1024 / NS) * 1000 / 1024
                self._since_beat_ns = 0
                self._intervals.append(interval)
                beats.append((start + (i + 1) * step, interval))
        return beats

    def _skin(self, seconds: float) -> float:
        wanted = RESPONSES_REST_HZ + (RESPONSES_STRESS_HZ - RESPONSES_REST_HZ) * self._arousal
        chance, height, noise = self._random.random(3)
        if chance < wanted * BLOCK_NS / NS:
            self._responses.append(_Response(seconds, 0.1 + 0.4 * float(height)))
        self._responses = [r for r in self._responses if seconds - r.began_s < 10 * DECAY_S]
        level = LEVEL_US + STRESS_LEVEL_US * self._arousal + 0.2 * math.sin(seconds / 40)
        responses = sum(r.height_us * _bateman(seconds - r.began_s) for r in self._responses)
        return round(level + responses + 0.004 * (float(noise) - 0.5), 4)


def _bateman(seconds: float) -> float:
    """The shape of a skin conductance response, its highest point being 1."""
    peak_s = math.log(DECAY_S / RISE_S) * DECAY_S * RISE_S / (DECAY_S - RISE_S)
    height = math.exp(-peak_s / DECAY_S) - math.exp(-peak_s / RISE_S)
    return (math.exp(-seconds / DECAY_S) - math.exp(-seconds / RISE_S)) / height


class SyntheticDriver(Driver):
    """Says what a made-up person's sensors would: heart rate, RR intervals, skin conductance."""

    synthetic = True
    can_wait = True
    device = "synthetic person"

    def __init__(self, settings: BiometricsSettings, clock: Clock) -> None:
        super().__init__()
        self._settings, self._clock = settings, clock

    def open(self) -> None:
        self._person = SimulatedSubject(self._settings.seed, self._settings.stress)
        self._start, self._began = self._clock.now(), self._clock.monotonic()
        self._block = 0

    def read(self) -> list[Reading]:
        found: list[Reading] = []
        for _ in range(self._due()):
            found += self._live()
            if self._settings.duration and self._block * BLOCK_NS >= self._settings.duration * NS:
                self.ended = True
                break
        return found

    def _due(self) -> int:
        """Blocks that are over by now, and not said yet."""
        speed = self._settings.speed
        if speed == "max":
            return 4
        self._clock.wait(WAIT_S)
        lived = (self._clock.monotonic() - self._began) * speed
        return int(lived * NS // BLOCK_NS) - self._block

    def _live(self) -> list[Reading]:
        at = self._start + self._block * BLOCK_NS
        beats, skin, rate = self._person.block()
        self._block += 1
        found = [Reading("skin_conductance", "uS", at, (skin,), SKIN_RATE)]
        if rate is not None:
            found.append(Reading("heart_rate", "/min", at + BLOCK_NS, (rate,), offsets=(0,)))
        for beat, interval in beats:
            placed = self._start + beat
            found.append(Reading("rr_interval", "ms", placed, (interval,), offsets=(0,)))
        return found
