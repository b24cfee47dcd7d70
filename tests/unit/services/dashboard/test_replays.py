"""Replays that several pages control at once."""

import asyncio
import threading
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.fake_clock import Clock

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker
from affectline.services.dashboard import replays as module
from affectline.services.dashboard.replay_control import ReplayProgress, find_free_hub
from affectline.services.dashboard.replays import (
    FEED,
    REPLAYS_MAX,
    UNWATCHED_S,
    ReplayProgressUpdates,
    Replays,
)
from tests.recordings import START, frame

NOWHERE = HubSettings(port=1)


class Player:
    """A replay that records what is done to it, and by how many at once."""

    hub = NOWHERE
    made: ClassVar[list["Player"]]

    def __init__(
        self,
        folder: Path,
        live_hub: HubSettings,
        *,
        is_paused: bool = False,
        others: Collection[int] = (),
    ) -> None:
        self.made.append(self)
        self.name, self.problem = folder.name, ""
        self.progress = ReplayProgress(is_paused=is_paused)
        self.began, self.may_go_on, self.closed = (threading.Event() for _ in range(3))
        self.sought: list[float] = []
        self.ticks_while_sought = 0
        self._is_sought = False

    def position(self, at_ns: int) -> float:
        return (at_ns - START) / 1e9 if at_ns else 0.0

    def play_from(self, seconds: float, rate: float | None = None) -> None:
        self.sought.append(seconds)
        self._is_sought = True
        self.began.set()
        self.may_go_on.wait(10)
        self._is_sought = False

    def tick(self) -> None:
        self.ticks_while_sought += self._is_sought

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(module, "ReplayControl", Player)
    monkeypatch.setattr(Player, "made", [], raising=False)
    return clock


@pytest.fixture
def replays(tmp_path: Path, clock: Clock) -> Replays:
    return Replays(lambda name: tmp_path / name, NOWHERE, list)


async def several_ticks(replays: Replays) -> None:
    for _ in range(20):
        await replays.tick()
        await asyncio.sleep(0)


def play(replays: Replays, scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene with an open replay."""

    async def go() -> None:
        try:
            await replays.open("drive")
            await scene
        finally:
            await replays.close_all()

    asyncio.run(go())


def player(replays: Replays, name: str = "drive") -> Player:
    found = replays.get(name)
    assert found
    assert isinstance(found.control, Player)
    return found.control


def clients(replays: Replays, name: str = "drive") -> dict[str, Any]:
    hub = replays.hub(FEED + name)
    assert hub
    found: dict[str, Any] = hub.broadcaster.clients
    return found


def test_of_many_places_in_a_row_the_first_and_the_last_are_gone_to(replays: Replays) -> None:
    async def scene() -> None:
        it = player(replays)
        first = asyncio.create_task(replays.seek("drive", 1))
        assert await asyncio.to_thread(it.began.wait, 10)
        rest = [asyncio.create_task(replays.seek("drive", seconds)) for seconds in (2, 3, 4)]
        await several_ticks(replays)
        assert it.sought == [1], "one at a time"
        it.may_go_on.set()
        await asyncio.gather(first, *rest)
        assert it.sought == [1, 4]
        assert it.ticks_while_sought == 0, "a player that is replaced has not died"

    play(replays, scene())


def test_a_session_that_is_opened_twice_at_once_is_played_once(replays: Replays) -> None:
    async def scene() -> None:
        one, same = await asyncio.gather(replays.open("drive"), replays.open("drive"))
        assert one is same
        assert len(Player.made) == 1

    play(replays, scene())


def test_two_sessions_are_replayed_apart(replays: Replays) -> None:
    async def scene() -> None:
        await replays.open("evening")
        for name in ("drive", "evening"):
            player(replays, name).may_go_on.set()
        await replays.seek("evening", 3)
        assert (player(replays).sought, player(replays, "evening").sought) == ([], [3])
        assert replays.hub("live") is None
        assert replays.hub(FEED + "another") is None
        await replays.close("evening")
        assert player(replays, "drive").closed.is_set() is False
        await replays.seek("evening", 4)
        await replays.pause("evening", paused=True)
        await replays.step("evening")

    play(replays, scene())


def test_there_are_few_at_once_and_those_that_are_watched_stay(replays: Replays) -> None:
    async def scene() -> None:
        for number in range(REPLAYS_MAX - 1):
            await replays.open(f"s{number}")
        await replays.open("one-more")
        assert "drive" not in replays, "nobody looked at it"
        names = [control.name for one in replays if (control := one.control)]
        for name in names:
            clients(replays, name)["page"] = object()
        with pytest.raises(AffectlineError, match="sessions are being replayed"):
            await replays.open("too-many")
        for name in names:
            clients(replays, name).clear()

    play(replays, scene())


def test_a_replay_that_all_pages_have_left_ends(replays: Replays, clock: Clock) -> None:
    async def scene() -> None:
        it = player(replays)
        clock.now += 10 * UNWATCHED_S
        await several_ticks(replays)
        assert player(replays) is it, "nobody has come yet"
        clients(replays)["page"] = object()
        await several_ticks(replays)
        clients(replays).clear()
        clock.now += UNWATCHED_S - 1
        await several_ticks(replays)
        assert player(replays) is it, "the page may be reconnecting"
        clock.now += 2
        await several_ticks(replays)
        assert it.closed.is_set()
        assert "drive" not in replays

    play(replays, scene())


def test_a_replay_of_which_nothing_arrives_says_so(replays: Replays) -> None:
    async def scene() -> None:
        hub = replays.hub(FEED + "drive")
        assert hub
        await replays.tick()
        assert player(replays).problem == ""
        hub.listener.failure = ZeroDivisionError("a panel's mistake")
        await replays.tick()
        assert player(replays).problem == "nothing arrives any more: a panel's mistake"

    play(replays, scene())


def test_pages_are_told_where_it_is_when_that_has_changed(tmp_path: Path, clock: Clock) -> None:
    updates = ReplayProgressUpdates(Player(tmp_path, NOWHERE))  # type: ignore[arg-type]
    told = updates.update()
    assert told
    assert (told["kind"], told["position"], told["paused"]) == ("replay", 0, False)
    assert updates.update() is None
    samples = Samples(
        subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=START + 10**9,
        rate=1.0, values=(70.0,),
    )  # fmt: skip
    updates.add(samples)
    assert (updates.update() or {})["position"] == 1
    for packet in frame(4):
        updates.add(packet.message)
    updates.add(Marker(session="s", at=START + 9 * 10**9, label="later"))
    assert updates.position == 4, "where there are faces, theirs is it"
    updates.clear()
    assert updates.position == 0


def test_a_hub_that_is_still_starting_has_its_ports() -> None:
    near = HubSettings(port=23_000)
    first = find_free_hub(near)
    assert find_free_hub(near, [first.port]).port != first.port
