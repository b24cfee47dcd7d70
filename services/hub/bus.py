"""The bus: forwards every message to consumers and outside tools.

The pipeline's own consumers exert back-pressure in lossless delivery; the outlet for everybody
else always drops for the slow.
"""

import threading
from collections import Counter
from typing import Final

import zmq

from affectline.common.runtime.sockets import SEND_WAIT_MS, bind, new_socket
from affectline.common.settings.hub import Delivery, HubSettings
from affectline.common.wire.messages import READY, SENT_TO

Parts = list[bytes]

SUBSCRIBED: Final = b"\x01"
UNSUBSCRIBED: Final = b"\x00"
"""First byte of what an XPUB socket receives when subscribers come and go; the topic follows."""
ALL_TOPICS: Final = SUBSCRIBED
"""Subscription to all topics, as the XSUB socket sends it to publishers."""
CONSUMER_HWM: Final = 64
"""Messages waiting for one consumer of the pipeline. In lossless delivery a full queue holds
everything up; a frame of 640x360 takes about 40 kB."""
OUTSIDER_HWM: Final = 128
"""Messages waiting for one outside tool before it loses some."""
CROPS: Final = b"faces/"
TAP: Final = "inproc://outlet"


class Bus:
    """Publishers in, consumers and outsiders out."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], hub: HubSettings, delivery: Delivery
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.lossless = delivery == "lossless"
        self.ingress = new_socket(context, zmq.XSUB)
        self.consumers = new_socket(context, zmq.XPUB)
        self.consumers.setsockopt(zmq.SNDHWM, CONSUMER_HWM)
        self.consumers.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)
        self.consumers.setsockopt(zmq.XPUB_NODROP, int(self.lossless))
        self.outlet = new_socket(context, zmq.XPUB)
        self.outlet.setsockopt(zmq.SNDHWM, OUTSIDER_HWM)
        self.has_crop_subscribers = threading.Event()
        self.ready: set[str] = set()
        """Consumers that have announced themselves."""
        self._subscriptions: set[tuple[str, bytes]] = set()
        """Whose they are, and the topic prefixes."""
        self.tap = new_socket(context, zmq.PULL)
        self.tap.setsockopt(zmq.RCVHWM, OUTSIDER_HWM)
        bind(self.ingress, hub.ingress)
        bind(self.outlet, hub.outlet)
        bind(self.consumers, hub.bus)
        self.tap.bind(TAP)
        self.clock = new_socket(context, zmq.ROUTER)
        bind(self.clock, hub.clock)
        self.ingress.send(ALL_TOPICS)

    @property
    def sockets(self) -> tuple[zmq.Socket[bytes], ...]:
        """All that the loop waits for."""
        return self.ingress, self.consumers, self.outlet, self.tap, self.clock

    def forward_message(self, source: zmq.Socket[bytes]) -> Parts | None:
        """Receive one message and send it to the outlet; return it for the consumers."""
        try:
            parts = source.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        self.counters["in"] += 1
        if not parts[0].startswith(SENT_TO.encode()):
            self.outlet.send_multipart(parts, zmq.DONTWAIT)
        return parts

    def deliver(self, parts: Parts) -> bool:
        """Send a message to the consumers; False where one of them has no room yet."""
        try:
            self.consumers.send_multipart(parts, 0 if self.lossless else zmq.DONTWAIT)
        except zmq.Again:
            return False
        self.counters["out"] += 1
        return True

    def forward_subscriptions(self) -> set[str]:
        """Pass on to the sources which consumers are ready; return those that have just come."""
        came: set[str] = set()
        while True:
            try:
                event = self.consumers.recv(zmq.DONTWAIT)
            except zmq.Again:
                return came
            if event[:1] in (SUBSCRIBED, UNSUBSCRIBED) and event[1:].startswith(READY.encode()):
                self.ingress.send(event)
                service = event[1 + len(READY) :].decode(errors="replace")
                if event[:1] == SUBSCRIBED:
                    self.ready.add(service)
                    came.add(service)
                else:
                    self.ready.discard(service)
            self._update_subscriptions("consumer", event)

    def update_outsiders(self) -> None:
        """Read the subscriptions of outside tools."""
        while True:
            try:
                self._update_subscriptions("outsider", self.outlet.recv(zmq.DONTWAIT))
            except zmq.Again:
                return

    def _update_subscriptions(self, subscriber: str, event: bytes) -> None:
        """Keep track of whether anybody subscribes to what goes through the work queue."""
        if event[:1] == SUBSCRIBED:
            self._subscriptions.add((subscriber, event[1:]))
        elif event[:1] == UNSUBSCRIBED:
            self._subscriptions.discard((subscriber, event[1:]))
        if any(CROPS.startswith(p) or p.startswith(CROPS) for _, p in self._subscriptions):
            self.has_crop_subscribers.set()
        else:
            self.has_crop_subscribers.clear()
