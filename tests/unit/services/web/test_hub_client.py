"""When a replay that is paused may rest: every stream of the recording has its picture."""

import asyncio

import pytest

from affectline.common.clock import monotonic
from affectline.common.settings.pipeline import HubSettings
from affectline.services.web.hub_client import HubClient
from affectline.services.web.frame_pairs import FrameResult
from tests.samples import EMOTION, FRAME


def pair(stream: str) -> FrameResult:
    return FrameResult(EMOTION.model_copy(update={"stream": stream}), FRAME, b"jpeg", 12.0)


@pytest.mark.parametrize("given", [{"road"}, {"road", "driver"}])
def test_a_stream_that_nobody_has_heard_of_yet_is_waited_for(given: set[str]) -> None:
    async def look() -> bool:
        channel = HubClient(HubSettings(port=1), is_replay=True)  # nobody speaks there
        try:
            assert not channel.shows_all({"road", "driver"})
            channel.ear.first_answer = monotonic()
            for stream in given:
                channel.audience.show(pair(stream))
            return channel.shows_all({"road", "driver"})
        finally:
            await channel.close()

    assert asyncio.run(look()) == (given == {"road", "driver"})
