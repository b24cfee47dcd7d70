"""What can be sent at all."""

import numpy as np
import pytest

from affectline.common.settings.sources import CaptureSettings
from affectline.services.capture import frame_encoder
from affectline.services.capture.frame_encoder import UnencodableFrame, encode

RAW = CaptureSettings(encoding="raw")


def blank(width: int, height: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A black image that takes no memory."""
    return np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))


def test_raw_frames_that_no_consumer_can_receive_are_refused() -> None:
    with pytest.raises(UnencodableFrame, match=r"9500 x 9500 pixels.*268435456 bytes"):
        encode(blank(9500, 9500), RAW)
    assert len(encode(blank(9500, 9500), CaptureSettings(encoding="raw", width=95)).data) == 27075


def test_so_is_a_file_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_encoder, "MAX_PART_BYTES", 100)
    with pytest.raises(UnencodableFrame, match="bytes, but at most 100 can be sent"):
        encode(blank(640, 480), CaptureSettings())
