"""When a replay that is paused may rest: every stream of the recording has its picture."""

import asyncio

import pytest

from affectline.common.clock import monotonic
from affectline.common.settings.pipeline import HubSettings
from affectline.services.web.frame_pairs import FrameResult
from affectline.services.web.hub_client import HubClient
from tests.samples import EMOTION, FRAME


def result(stream: str) -> FrameResult:
    return FrameResult(EMOTION.model_copy(update={"stream": stream}), FRAME, b"jpeg", 12.0)


@pytest.mark.parametrize("given", [{"road"}, {"road", "driver"}])
def test_a_stream_that_nobody_has_heard_of_yet_is_waited_for(given: set[str]) -> None:
    async def check() -> bool:
        client = HubClient(HubSettings(port=1))  # nobody speaks there
        try:
            assert not client.has_all_streams({"road", "driver"})
            client.listener.first_result_at = monotonic()
            for stream in given:
                client.broadcaster.publish_frame(result(stream))
            return client.has_all_streams({"road", "driver"})
        finally:
            await client.close()

    assert asyncio.run(check()) == (given == {"road", "driver"})
