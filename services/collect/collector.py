"""The state behind the page: the displayed frames, and the samples made from them."""

import asyncio
from typing import NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.common.vision.decode import decode
from affectline.services.collect.collection import Collection
from affectline.services.collect.quality_checks import FaceCrop, Rejection, check_face
from affectline.services.collect.samples import Sample
from affectline.services.web.audit import FILE, Audit
from affectline.services.web.frame_pairs import FrameResult
from affectline.services.web.hub_client import HubClient
from affectline.services.web.status import StatusTracker


class FrameRef(NamedTuple):
    """A frame on the screen of a connected page."""

    client_id: str
    stream: str
    epoch: int
    seq: int


class Collector:
    """State behind the page. Lives in the server's event loop.

    Args:
        hub: The pipeline's hub.
        collection: Stores the samples.
    """

    live_hub: HubClient

    def __init__(self, hub: HubSettings, collection: Collection) -> None:
        self.hub, self.collection = hub, collection
        self.audit = Audit(collection.folder / FILE, "booth")

    async def open(self) -> None:
        """Start listening to the hub."""
        self.live_hub = HubClient(self.hub, [StatusTracker()])

    async def close(self) -> None:
        """Close everything."""
        await self.live_hub.close()

    def hub_client(self, feed: str) -> HubClient | None:
        """The hub behind a feed; None if there is none."""
        return self.live_hub if feed == "live" else None

    def disconnect_clients(self) -> None:
        """Close all live sockets."""
        self.live_hub.broadcaster.close()

    @property
    def has_clients(self) -> bool:
        return bool(self.live_hub.broadcaster.clients)

    async def capture(self, frame_ref: FrameRef, person: str, label: str) -> Sample | Rejection:
        """Store the face of the frame on a page's screen, if it passes the checks.

        Raises:
            AffectlineError: The frame is gone, the person has not agreed, or the disk is full.
        """
        client = self.live_hub.broadcaster.clients.get(frame_ref.client_id)
        result = client.find_sent(*frame_ref[1:]) if client else None
        if result is None:
            raise AffectlineError("this frame is no longer on the page", "take another one")
        return await asyncio.to_thread(self._store, result, person, label)

    def _store(self, result: FrameResult, person: str, label: str) -> Sample | Rejection:
        checked = check_result(result)
        if isinstance(checked, Rejection):
            self.collection.reject(person, label, result.emotion.captured_at, checked)
            return checked
        return self.collection.add(person, label, checked)


def check_result(result: FrameResult) -> FaceCrop | Rejection:
    """The only face of a frame, cut from the frame as captured, or why it is rejected."""
    picture = decode(result.frame, result.payload) if result.frame else None
    if picture is None:
        return Rejection("the frame could not be decoded: try again")
    return check_face(result.emotion, picture)


def parse_frame_ref(event: object) -> FrameRef:
    """Read from a browser's event which frame is on the screen.

    Raises:
        AffectlineError: The event does not contain it.
    """
    if isinstance(event, dict):
        texts = event.get("viewer"), event.get("stream")
        numbers = event.get("epoch"), event.get("seq")
        if all(isinstance(t, str) for t in texts) and all(type(n) is int for n in numbers):
            return FrameRef(*texts, *numbers)  # type: ignore[arg-type]
    raise AffectlineError("there is no frame on the page yet", "wait for the first one")
