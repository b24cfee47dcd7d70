"""What a page is shown of a replay that continues at another position."""

import asyncio

from affectline.common.settings.pipeline import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.control import Control, Pause, Seek
from affectline.common.wire.messages import Packet
from affectline.services.dashboard.hub_client import HubClient
from affectline.services.web.frame_pairs import FrameResult
from tests.samples import EMOTION, FRAME, PACKETS


def test_what_was_shown_is_forgotten_when_the_new_position_begins_and_not_before() -> None:
    start = PACKETS["StreamStart"].message.model_copy(update={"replay": True})

    async def shown_after(*messages: Message) -> tuple[bool, int]:
        client = HubClient(HubSettings(port=1), is_replay=True)  # nobody publishes there
        try:
            client.audience.show(FrameResult(EMOTION, FRAME, b"jpeg", 12.0))
            for message in (EMOTION, *messages):
                client.ear._take(Packet(message))
            await asyncio.sleep(0)  # what was handed to the loop is done
            return bool(client.audience._last), client.ear.position_ns
        finally:
            await client.close()

    def command(action: Pause | Seek) -> Control:
        return Control(target="replay", at=1, action=action)

    before, forgotten = (True, EMOTION.captured_at), (False, 0)
    seek = command(Seek(position_s=3.0))
    assert asyncio.run(shown_after(start)) == before
    assert asyncio.run(shown_after(command(Pause()), start)) == before
    assert asyncio.run(shown_after(seek)) == before
    assert asyncio.run(shown_after(seek, EMOTION)) == before, "published before the seek"
    assert asyncio.run(shown_after(seek, start)) == forgotten
    assert asyncio.run(shown_after(seek, start, EMOTION, start))[1] == EMOTION.captured_at
