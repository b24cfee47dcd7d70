"""A hub with a dashboard and nothing else: tests publish what the page is to show."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import httpx
import numpy as np
import yaml
import zmq

from affectline.common.clock import now_ns
from affectline.common.labels import LABELS
from affectline.common.runtime.endpoints import reach
from affectline.common.runtime.sockets import Publisher
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Frame,
    Packet,
    Quality,
    StreamStart,
)
from tests.browsers import free_web_port
from tests.pipelines import free_port, process

EPOCH: Final = 1_795_445_587_179


class BusPublisher:
    """Publishes on the bus, from several threads."""

    def __init__(self, hub: HubSettings) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._publisher = Publisher(self._context, reach(hub).ingress)
        self._lock = threading.Lock()

    def send(self, packet: Packet, patience_s: float = 10.0) -> bool:
        """Publish; False where no hub answered in time."""
        deadline = time.monotonic() + patience_s
        with self._lock:
            while time.monotonic() < deadline:
                self._publisher.update_consumers()
                if self._publisher.send(packet, wait=True):
                    return True
        return False

    def close(self) -> None:
        """Publish nothing more."""
        self._context.destroy(linger=0)


class LiveDashboard:
    """The addresses of hub and dashboard, and how to publish there.

    Args:
        folder: For the sessions.
        require: Streams that a recording requires.
        settings: More settings of the dashboard.
    """

    def __init__(self, folder: Path, *, require: Sequence[str] = (), **settings: Any) -> None:
        self.hub = HubSettings(port=free_port())
        self.port = free_web_port()
        self.sessions = folder / "sessions"
        scheme = "https" if settings.get("tls") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/"
        self.output = ""
        """What the dashboard has printed, where a test keeps it."""
        folder.mkdir(exist_ok=True)
        self.settings_file = folder / "board.yaml"
        dashboard = {"port": self.port, "sessions": str(self.sessions), **settings}
        content = {
            "hub": {"port": self.hub.port}, "delivery": "live", "dashboard": dashboard,
            "recording": {"privacy": "blurred"}, "require": list(require),
        }  # fmt: skip
        self.settings_file.write_text(yaml.safe_dump(content))
        self.seq = 0

    @contextlib.contextmanager
    def hub_running(self) -> Iterator[None]:
        """The hub."""
        with process("hub", "--config", str(self.settings_file)) as hub:
            self._bus = BusPublisher(self.hub)
            yield
            self._bus.close()
            hub.terminate()
            hub.wait(timeout=10)

    @contextlib.contextmanager
    def serving(self, **options: Any) -> Iterator[Any]:
        """The dashboard; its process is yielded when it answers."""
        with process("dashboard", "--config", str(self.settings_file), **options) as dashboard:
            self.wait_until_it_answers()
            yield dashboard
            dashboard.terminate()
            dashboard.wait(timeout=10)

    def wait_until_it_answers(self, timeout_s: float = 60) -> None:
        """Wait for the web server."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.url}style/style.css", timeout=5, verify=False)
                return
        raise AssertionError(f"nobody answers at {self.url}")

    def publish(self, *messages: Message, parts: tuple[bytes, ...] = ()) -> None:
        """Publish messages."""
        for message in messages:
            assert self._bus.send(Packet(message, parts)), "the hub is not there"

    def start(self, stream: str = "cam") -> None:
        """Begin a stream."""
        self.publish(
            StreamStart(
                stream=stream,
                epoch=EPOCH,
                started_at=now_ns(),
                received_at=now_ns(),
                session_start=now_ns(),
                kind="camera",
                source="0",
                live=True,
            )
        )

    def show(
        self,
        stream: str = "cam",
        *,
        faces: int = 1,
        size: tuple[int, int] = (640, 360),
        damaged: bool = False,
        signs: dict[str, Any] | None = None,
    ) -> None:
        """A frame and its result, in which each face has such signs."""
        self.seq += 1
        width, height = size
        same: dict[str, Any] = {
            "stream": stream, "epoch": EPOCH, "seq": self.seq, "captured_at": now_ns(),
            "received_at": now_ns(),
            "width": width, "height": height,
        }  # fmt: skip
        self.publish(Frame(**same), parts=(b"nothing" if damaged else jpeg(self.seq, size),))
        if damaged:
            self.publish(Emotion(**same, published_at=now_ns(), missing="invalid"))
            return
        shares = distribution(self.seq)
        seen = tuple(
            FaceEmotion(
                track=i + 1, box=(100 + 200 * i, 80, 120, 120), quality=GOOD, probabilities=shares,
                frame_probabilities=shares, label="happy", confidence=max(shares), **signs or {},
            )
            for i in range(faces)
        )  # fmt: skip
        self.publish(Emotion(**same, published_at=now_ns(), faces=seen))

    @contextlib.contextmanager
    def showing(self, act: Callable[[], None] | None = None) -> Iterator[None]:
        """Pictures, one after the other, as long as this lasts."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(0.05):
                (act or self.show)()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


GOOD: Final = Quality(size=120, blur=500.0, brightness=0.5)


def brightness(number: int) -> int:
    """Of a picture, 0 to 255."""
    return 60 + number * 7 % 120


def distribution(number: int) -> tuple[float, ...]:
    """Of the faces in a picture: happy, more or less."""
    happy = 0.6 + number % 40 / 100
    rest = (1 - happy) / (len(LABELS) - 1)
    return tuple(happy if label == "happy" else rest for label in LABELS)


def jpeg(number: int, size: tuple[int, int]) -> bytes:
    """A picture whose brightness tells its number."""
    image = np.full((size[1], size[0], 3), brightness(number), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def health(service: str, state: str = "ready", detail: str = "") -> Health:
    """The health message of a process."""
    about = {"service": service, "pid": 1, "at": now_ns(), "state": state, "detail": detail}
    return Health.model_validate(about)
