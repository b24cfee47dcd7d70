"""Pictures with faces for tests: noise is sharp and of medium brightness."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectline.common.wire.messages import Emotion, FaceEmotion, Quality
from affectline.services.collect.quality_checks import FaceCrop, check_face

AT = 1_795_445_587_329_376_688
BOX = (200, 100, 135, 135)


@cache
def scene(brightness: float = 0.5) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(255 * brightness, 40, (360, 640, 3))
    return noise.clip(0, 255).astype(np.uint8)


def face(box: tuple[int, int, int, int] = BOX, track: int = 1, angle: float = 0.0) -> FaceEmotion:
    quality = Quality(size=max(box[2:]), blur=500.0, brightness=0.5)
    return FaceEmotion(track=track, box=box, angle=angle, quality=quality, missing="unanswered")


def emotion(*faces: FaceEmotion, seq: int = 0, **more: Any) -> Emotion:
    at = AT + seq * 40_000_000
    values: dict[str, Any] = {
        "stream": "cam", "epoch": 1, "seq": seq, "captured_at": at, "received_at": at,
        "width": 640, "height": 360,
        "published_at": at, "faces": faces,
    }  # fmt: skip
    return Emotion(**(values | more))


def face_crop(seq: int = 0) -> FaceCrop:
    """A face that passes the checks, another one for each ``seq``."""
    found = check_face(emotion(face(), seq=seq), np.roll(scene(), seq, axis=1))
    assert isinstance(found, FaceCrop)
    return found
