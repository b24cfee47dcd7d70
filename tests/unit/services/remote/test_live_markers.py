"""Markers with the client's own time are at the right moment, whatever happens to the host's."""

import asyncio
import json
import time
from typing import Any, cast

import pytest

pytest.importorskip("starlette", reason="the remote control needs Starlette (the remote extra)")

from affectline.services.remote import web
from affectline.services.remote.controller import RemoteController
from affectline.services.remote.web import PINGS, _LiveMarkers

NOW = 1_795_445_587_000_000_000


class Client:
    """A page whose clock is never set; it answers pings, and then marks what was 2 s ago."""

    def __init__(self) -> None:
        self.unanswered: asyncio.Queue[str] = asyncio.Queue()
        self.told: list[dict[str, Any]] = []
        self.is_told = asyncio.Event()
        self.knows_clock = asyncio.Event()
        """Whether all pongs of the beginning have been handled."""
        self._received = 0

    async def send_json(self, message: dict[str, Any]) -> None:
        if "ping" not in message:
            self.told.append(message)
            self.is_told.set()
            return
        now_ms = time.monotonic() * 1000
        await self.unanswered.put(json.dumps({"pong": message["ping"], "now_ms": now_ms}))

    async def receive_text(self) -> str:
        if self._received == PINGS:
            self.knows_clock.set()
        self._received += 1
        return await self.unanswered.get()


@pytest.mark.parametrize("step_s", [20, -20])
def test_markers_stay_in_place_when_the_host_s_clock_is_set(
    step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    controller = RemoteController(
        cast("Any", None), lambda: (NOW, True), lambda: None, cast("Any", None)
    )
    monkeypatch.setattr(web, "FIRST_PINGS_S", 0.0)
    real = time.time

    async def experiment() -> None:
        serving = asyncio.create_task(_LiveMarkers(cast("Any", client), controller).serve())
        async with asyncio.timeout(10):
            await client.knows_clock.wait()
        monkeypatch.setattr(time, "time", lambda: real() + step_s)
        pressed_ms = (time.monotonic() - 2) * 1000
        await client.unanswered.put(json.dumps({"label": "key", "at_ms": pressed_ms}))
        async with asyncio.timeout(10):
            await client.is_told.wait()
        serving.cancel()

    asyncio.run(experiment())
    (told,) = client.told
    assert told["label"] == "key"
    assert (NOW - told["at"]) / 1e9 == pytest.approx(2, abs=0.5)
