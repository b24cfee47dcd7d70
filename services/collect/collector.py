"""The booth behind its page: what is seen now, and what is made of it."""

import asyncio
from typing import NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import HubSettings
from affectline.common.vision.decode import decode
from affectline.services.collect.collection import Collection
from affectline.services.collect.quality_checks import FaceCrop, Rejection, look
from affectline.services.collect.samples import Sample
from affectline.services.web.hub_client import HubClient
from affectline.services.web.frame_pairs import FrameResult


class FrameRef(NamedTuple):
    """A picture on somebody's screen."""

    viewer: str
    stream: str
    epoch: int
    seq: int


class Collector:
    """What the page shows and does. Lives in the server's event loop.

    Args:
        hub: Where the pipeline is.
        collection: Where takes go.
    """

    live: HubClient

    def __init__(self, hub: HubSettings, collection: Collection) -> None:
        self.hub, self.collection = hub, collection

    async def open(self) -> None:
        """Begin to listen."""
        self.live = HubClient(self.hub)

    async def close(self) -> None:
        """End everything that was begun here."""
        await self.live.close()

    def channel(self, feed: str) -> HubClient | None:
        """The hub that a page wants to listen to; None where there is none."""
        return self.live if feed == "live" else None

    def send_away(self) -> None:
        """End all live sockets."""
        self.live.audience.close()

    async def take(self, moment: FrameRef, person: str, label: str) -> Sample | Rejection:
        """Keep the face of the picture that somebody has on the screen, if it is good enough.

        Raises:
            AffectlineError: The picture is gone, the person has not agreed, or there is no room.
        """
        viewer = self.live.audience.viewers.get(moment.viewer)
        pair = viewer.find(moment.stream, moment.epoch, moment.seq) if viewer else None
        if pair is None:
            raise AffectlineError("this picture is not on the page any more", "take another one")
        return await asyncio.to_thread(self._keep, pair, person, label)

    def _keep(self, pair: FrameResult, person: str, label: str) -> Sample | Rejection:
        found = judge(pair)
        if isinstance(found, Rejection):
            self.collection.refuse(person, label, pair.emotion.captured_at, found)
            return found
        return self.collection.add(person, label, found)


def judge(pair: FrameResult) -> FaceCrop | Rejection:
    """The one face of a picture, cut from the picture as it was captured."""
    picture = decode(pair.frame, pair.picture) if pair.frame else None
    if picture is None:
        return Rejection("the picture could not be decoded: try again")
    return look(pair.emotion, picture)


def read_moment(told: object) -> FrameRef:
    """What a browser says of the picture on its screen.

    Raises:
        AffectlineError: It is no such thing.
    """
    if isinstance(told, dict):
        words = told.get("viewer"), told.get("stream")
        numbers = told.get("epoch"), told.get("seq")
        if all(isinstance(w, str) for w in words) and all(type(n) is int for n in numbers):
            return FrameRef(*words, *numbers)  # type: ignore[arg-type]
    raise AffectlineError("there is no picture on the page", "wait until one is there")
