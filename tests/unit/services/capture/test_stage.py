"""The capture's stage: where a stream ends."""

from collections import deque

import pytest

from affectline.common.runtime.stage import StageContext
from affectline.common.settings.sources import SourceSettings
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Frame, StreamEnd
from affectline.services.capture import stage as module
from affectline.services.capture.frame_source import SourceEnd
from affectline.services.capture.reader import EncodedFrame
from affectline.services.capture.spec import CaptureProcess
from affectline.services.capture.stage import Capture


class LastMomentReader:
    """A reader whose thread reads the last frame just after the queue was found empty."""

    failure = opened = None

    def __init__(self, *_: object) -> None:
        self.ending: SourceEnd | None = None
        self.epoch = 0
        self._queue = deque([self._frame(0)])

    def _frame(self, seq: int) -> EncodedFrame:
        return EncodedFrame(b"x", 2, 2, seq, seq, seq, None, seq)

    def open(self, *, patient: bool) -> None: ...

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return False

    def confirm_published(self) -> None: ...

    def pop(self) -> EncodedFrame | None:
        if self._queue:
            return self._queue.popleft()
        if self.ending is None:
            self._queue.append(self._frame(1))
            self.ending = SourceEnd("end")
        return None


def test_the_end_comes_after_a_frame_that_is_read_at_the_last_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SourceReader", LastMomentReader)
    stage = Capture(CaptureProcess(source=SourceSettings(source="a.mp4", name="a"), epoch=1))
    stage.context = StageContext("capture/a", "live")  # no frame waits for its result
    stage.setup()
    published: list[Message] = [packet.message for _ in range(3) for packet in stage.tick()]
    frames = [message.seq for message in published if isinstance(message, Frame)]
    ends = [message.last_seq for message in published if isinstance(message, StreamEnd)]
    assert frames == [0, 1]
    assert ends == [1]
    assert isinstance(published[-1], StreamEnd)
