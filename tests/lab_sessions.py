"""Sessions of a lab: people under stress and at rest, with sensors, a face, and markers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Packet
from tests.study_sessions import QUALITY, SECOND, START, write_recording

PARTS = (("rest", 60), ("stress", 60), ("rest", 60), ("stress", 60), ("rest", 60))
"""Label and seconds of the parts of a session."""


def write_lab_session(
    folder: Path, participant: str, seed: int, *, body: float = 1.0, face: float = 0.0,
    markers: bool = True, sensors: bool = True, camera: bool = True,
) -> Path:  # fmt: skip
    """Write the recording of a session; returns its folder.

    Args:
        folder: Is made.
        participant: Who it is.
        seed: Of the noise.
        body: How much stress raises heart rate and skin conductance.
        face: How much stress shows as fear.
        markers: Whether ``rest`` and ``stress`` are marked.
        sensors: Whether heart and skin were measured.
        camera: Whether a face was seen.
    """
    stressed = np.repeat([name == "stress" for name, _ in PARTS], [s for _, s in PARTS])
    random = np.random.default_rng(seed)
    packets: list[Packet] = []
    packets += _signals(stressed, body, random) if sensors else ()
    packets += _faces(stressed, face, random) if camera else ()
    packets += _markers() if markers else ()
    return write_recording(folder, {"participant": participant}, packets)


def _signals(stressed: np.ndarray, body: float, random: np.random.Generator) -> Iterator[Packet]:
    load = np.convolve(stressed, np.ones(10) / 10)[: len(stressed)]
    wander = np.cumsum(random.normal(size=len(stressed))) / 30
    for second, now in enumerate(body * load + wander):
        rate = 70 + 12 * now + random.normal()
        level = 3 + 1.5 * now + 0.05 * random.normal()
        for signal, unit, value in (
            ("heart_rate", "/min", rate),
            ("skin_conductance", "uS", level),
        ):
            yield Packet(Samples(
                subject="person", signal=signal, unit=unit, epoch=1, seq=second, rate=1.0,
                at=START + second * SECOND, values=(float(np.clip(value, 0.5, 180)),),
            ))  # fmt: skip


def _faces(stressed: np.ndarray, shown: float, random: np.random.Generator) -> Iterator[Packet]:
    for second, now in enumerate(stressed):
        fear = float(np.clip(0.1 + shown * now + 0.1 * random.normal(), 0, 0.9))
        shares = tuple(
            fear if label == "fear" else (1 - fear) / (len(LABELS) - 1) for label in LABELS
        )
        affect = map_to_circumplex(shares)
        seen = FaceEmotion(
            track=1, box=(30, 20, 80, 80), quality=QUALITY, probabilities=shares,
            frame_probabilities=shares, label="fear", confidence=fear, valence=affect.valence,
            arousal=affect.arousal,
        )  # fmt: skip
        at = START + second * SECOND + SECOND // 2
        yield Packet(Emotion(
            stream="front", epoch=1, seq=second, captured_at=at, received_at=at, published_at=at,
            width=160, height=120, faces=(seen,),
        ))  # fmt: skip


def _markers() -> Iterator[Packet]:
    at_s = 0
    for label, seconds in PARTS:
        yield Packet(Marker(session="session", at=START + at_s * SECOND, label=label, source="x"))
        at_s += seconds
