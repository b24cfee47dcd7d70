"""A message that the hub cannot handle because of a bug: dropped, counted and logged."""

from collections.abc import Callable

import pytest
import zmq

from affectline.common.runtime.sockets import WorkQueueClient, new_socket
from affectline.common.settings.hub import Delivery
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Faces, Marker, Packet
from affectline.services.hub import service, work_queue
from affectline.services.hub.bus import Bus, Parts
from tests.in_process import InProcessPipeline


def failing(handle: Callable[..., object]) -> Callable[..., object]:
    """A method that fails for one marker."""

    def fail(self: object, parts: Parts) -> object:
        if parts[0] == b"marker/bad":
            raise LookupError("a bug")
        return handle(self, parts)

    return fail


def marker(session: str) -> Packet:
    return Packet(Marker.example().model_copy(update={"session": session}))


@pytest.mark.parametrize("delivery", ["live", "lossless"])
@pytest.mark.parametrize("place", [(Bus, "publish"), (Bus, "deliver"), (service.Hub, "_read")])
def test_a_message_that_fails_does_not_end_the_hub(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: tuple[type, str],
    delivery: Delivery,
) -> None:
    monkeypatch.setattr(*place, failing(getattr(*place)))
    with InProcessPipeline(delivery) as pipeline:
        pipeline.wait_for(Health)  # the outlet has our subscription
        for session in ("bad", "bad", "good"):
            pipeline.publish(marker(session))
        while pipeline.wait_for(Marker).message.session != "good":
            pass
        while not (told := pipeline.wait_for(Health).message.counters).get("failed"):
            pass
    assert told["failed"] == 2
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("failed: a message (LookupError)")
    assert record.exc_info


def test_a_crop_that_fails_does_not_end_the_work_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []

    def is_crop(parts: Parts) -> bool:
        calls.append(parts[0])
        if len(calls) == 1:
            raise LookupError("a bug")
        return True

    monkeypatch.setattr(work_queue, "is_crop", is_crop)
    with InProcessPipeline("lossless") as pipeline:
        detector = WorkQueueClient(pipeline.sockets, pipeline.hub.work_in)
        classifier = new_socket(pipeline.sockets, zmq.PULL)
        classifier.connect(pipeline.hub.work_out)
        try:
            for _ in range(2):
                assert detector.send(Packet(Faces.example(), Faces.example_parts), wait=True)
            assert classifier.poll(10_000), "the work queue has ended"
        finally:
            detector.socket.close(linger=0)
            classifier.close(linger=0)
