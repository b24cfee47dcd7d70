"""A hub and stages in one process: the real runtime over ``inproc://``, without ports or children.

with InProcessPipeline("lossless") as pipeline:
    pipeline.start(Detector(DetectorProcess(name="drive")), "detector/drive")
    pipeline.publish(packet)
    emotion = pipeline.wait_for(Emotion)
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self, TypeVar

import zmq

from affectline.common.runtime.service import ServiceRunner
from affectline.common.runtime.sockets import Publisher, Receiver
from affectline.common.runtime.stage import Stage
from affectline.common.runtime.wakeup import WakeupPipe
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Packet
from affectline.services.hub.service import Hub
from affectline.services.hub.spec import HubProcess

M = TypeVar("M", bound=Message)
_numbers = itertools.count()


class InProcessHub(HubSettings):
    """Addresses that only this process can reach."""

    name: str

    def _address(self, offset: int) -> str:
        return f"inproc://{self.name}-{offset}"


class InProcessPipeline:
    """A hub with stages around it, each in a thread, and a tool that publishes and subscribes."""

    def __init__(self, delivery: Delivery = "lossless") -> None:
        self.delivery: Delivery = delivery
        self.hub = InProcessHub(name=f"in-process-{next(_numbers)}")
        self.sockets: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._hub = Hub(HubProcess(), self.hub, delivery, self.sockets)
        self._runners: list[ServiceRunner] = []
        self._threads: list[threading.Thread] = []
        self.exit_codes: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._run("hub", self._hub.run)
        # inproc:// can be connected to before it is bound, so nobody waits for the hub here
        self._outlet = Receiver(self.sockets, self.hub.outlet, Counter(), prefixes=("",))
        self._publisher = Publisher(self.sockets, self.hub.ingress)
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self._runners:
            self._stop(runner.wakeup)
        for thread in self._threads[1:]:
            thread.join(timeout=10)
        self._outlet.socket.close(linger=0)
        self._publisher.socket.close(linger=0)
        self._stop(self._hub.wakeup)
        self._threads[0].join(timeout=10)
        assert not any(thread.is_alive() for thread in self._threads), "a stage did not stop"
        self.sockets.term()

    def start(self, stage: Stage, name: str) -> ServiceRunner:
        """Run a stage in a thread, and wait until publishers know that it is there."""
        runner = ServiceRunner(stage, name, self.hub, self.delivery, self.sockets)
        self._runners.append(runner)
        self._run(name, runner.run)
        deadline = time.monotonic() + 10
        while name not in self._publisher.ready:
            assert time.monotonic() < deadline, f"{name} did not come up"
            self._publisher.socket.poll(100)
            self._publisher.update_consumers()
        return runner

    def publish(self, packet: Packet) -> None:
        """Publish as a tool, or a camera, would."""
        deadline = time.monotonic() + 10
        while not self._publisher.send(packet, wait=True):
            assert time.monotonic() < deadline, "the hub took nothing"
            self._publisher.update_consumers()

    def wait_for(self, kind: type[M], timeout_s: float = 10) -> Packet[M]:
        """The next message of a kind at the hub's outlet; others before it are passed over."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._outlet.socket.poll(int(left_s * 1000))
            for packet in self._outlet.receive(limit=1):
                if isinstance(packet.message, kind):
                    return Packet(packet.message, packet.parts)
        raise AssertionError(f"no {kind.__name__} in {timeout_s} s")

    def join(self, name: str, timeout_s: float = 10) -> int:
        """Wait for the end of a stage that ends by itself; its exit code."""
        (thread,) = (thread for thread in self._threads if thread.name == name)
        thread.join(timeout_s)
        assert not thread.is_alive(), f"{name} goes on"
        return self.exit_codes[name]

    def _run(self, name: str, run: Callable[[], int]) -> None:
        def work() -> None:
            self.exit_codes[name] = run()

        self._threads.append(threading.Thread(target=work, name=name))
        self._threads[-1].start()

    @staticmethod
    def _stop(wakeup: WakeupPipe) -> None:
        wakeup.stopping = True
        wakeup.wake()
