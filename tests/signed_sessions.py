"""Sessions of a driver whose head, eyes and doubts are known, as messages."""

import math
from typing import Any, Final

from affectline.common.circumplex import map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import State
from affectline.common.wire.face_signs import Blink
from affectline.common.wire.messages import Emotion, FaceEmotion, Packet, Quality
from tests.recordings import SECOND, START

RATE: Final = 25
"""Frames a second."""
QUALITY: Final = Quality(size=160, blur=400.0, brightness=0.5)


def signed_session(seconds: int = 60) -> list[Packet]:
    """A person who turns to and fro, blinks every four seconds, speaks, and looks down once."""
    packets = [_result(index) for index in range(seconds * RATE)]
    packets += [Packet(_state(second)) for second in range(seconds)]
    return sorted(packets, key=lambda packet: packet.message.event_time or 0)


def _result(index: int) -> Packet:
    second = index / RATE
    shares = tuple({"happy": 0.4 + 0.3 * math.sin(second / 5)}.get(label, 0.1) for label in LABELS)
    total = sum(shares)
    shares = tuple(share / total for share in shares)
    affect = map_to_circumplex(shares)
    face = FaceEmotion(
        track=1, box=(200, 80, 160, 160), quality=QUALITY, probabilities=shares,
        frame_probabilities=shares, label="happy", confidence=shares[LABELS.index("happy")],
        valence=affect.valence, arousal=affect.arousal, **signs_at(index),
    )  # fmt: skip
    at = START + index * SECOND // RATE
    return Packet(Emotion(
        stream="drive", epoch=1, seq=index, captured_at=at, received_at=at, width=640, height=360,
        published_at=at, faces=(face,), model="vgg16-48@1",
    ))  # fmt: skip


def signs_at(index: int) -> dict[str, Any]:
    """What the face says in a frame."""
    second = index / RATE
    looks_down = 30 <= second < 34
    blinks = index % (4 * RATE) == RATE and not looks_down
    at = START + index * SECOND // RATE
    doubts: tuple[str, ...] = ()
    if 10 <= second < 18:
        doubts = ("speaking",)
    elif looks_down:
        doubts = ("turned_away",)
    elif 45 <= second < 50:
        doubts = ("dark", "blurred") if second < 47 else ("dark",)
    opening = None if looks_down else 0.05 if index % (4 * RATE) in range(RATE - 4, RATE) else 0.95
    return {
        "yaw": 20 * math.sin(second / 6), "pitch": -35.0 if looks_down else 3 * math.cos(second),
        "roll": 4 * math.sin(second), "eye_opening_left": opening, "eye_opening_right": opening,
        "eyes_unknown": "looking_down" if looks_down else None,
        "blink": Blink(at=at - SECOND // 5, duration_ms=160) if blinks else None,
        "perclos": None if second < 20 else 0.04, "perclos_known_s": min(60.0, second),
        "mouth_opening": 0.3 if "speaking" in doubts else 0.02,
        "gaze_x": 0.1, "gaze_y": 0.0, "gaze": "left" if index % 5 == 0 else "ahead",
        "mesh_score": 0.98, "doubts": doubts,
    }  # fmt: skip


def _state(second: int) -> State:
    example = State.example()
    assert example.drowsiness is not None
    assert example.off_road is not None
    changes: dict[str, Any] = {
        "subject": "anna", "at": START + second * SECOND,
        "drowsiness": example.drowsiness.model_copy(
            update={"level": None if second < 20 else 16.0 + second / 3}
        ),
        "off_road": example.off_road.model_copy(
            update={"share": None if second < 10 else min(0.3, second / 200)}
        ),
    }  # fmt: skip
    return example.model_copy(update=changes)
