"""Handshakes with a hub: detects a hub that refuses this process or has an unexpected key."""

from typing import Final

import zmq

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.runtime.endpoints import Endpoint
from affectline.common.runtime.keys import KeyStore, fingerprint
from affectline.common.runtime.socket_events import parse_event

FAILURES: Final = 5
FAILING_S: Final = 10.0
"""So many handshakes in a row must fail without a reason, over so many seconds, before the hub
counts as a different one, and none may have succeeded before: some fail when a hub is stopped, or
while it is not there behind a forwarder (``ssh -L``, Docker, a load balancer), which accepts
connections and closes them at once."""
EVENTS: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)


class HandshakeMonitor:
    """Watches the handshakes of a socket.

    Args:
        peer: The socket, not connected yet.
        endpoint: The endpoint that it will connect to.
    """

    def __init__(self, peer: zmq.Socket[bytes], endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._failures = 0
        self._failing_since = 0.0
        self._has_succeeded = False
        self.socket: zmq.Socket[bytes] = peer.get_monitor_socket(EVENTS)

    def check(self) -> None:
        """Process the handshakes since the last call.

        Raises:
            AffectlineError: The hub refuses the key, or its own key is not the known one.
        """
        while self.socket.poll(0):
            event = parse_event(self.socket.recv_multipart()).event
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._failures, self._has_succeeded = 0, True
                if self._endpoint.credentials:
                    KeyStore().remember_hub(self._endpoint.credentials)
            else:
                self._failing_since = self._failing_since if self._failures else monotonic()
                self._failures += 1
                self._explain(event)

    def _explain(self, event: int) -> None:
        address, credentials = self._endpoint.address, self._endpoint.credentials
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            raise AffectlineError(
                f"the hub on {address} refuses this key: it is not allowed, or not for this use",
                "on the hub's machine, affectline keys list shows what it may do",
            )
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and credentials is None:
            raise AffectlineError(
                f"the hub on {address} requires keys",
                "set AFFECTLINE_SECURITY=required, with its keys in AFFECTLINE_KEYS",
            )
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            raise AffectlineError(
                f"the program on {address} uses no keys, so it is not the known hub",
                "--insecure runs without keys",
            )
        has_failed_long = monotonic() - self._failing_since >= FAILING_S
        is_another = self._failures >= FAILURES and has_failed_long and not self._has_succeeded
        if credentials is not None and is_another:
            raise AffectlineError(
                f"the hub on {address} is not the one with the key "
                f"{fingerprint(credentials.hub_key)}",
                "if its keys were changed on purpose (affectline keys list there shows its "
                f"fingerprint), copy its hub.key and affectline keys forget {credentials.address}; "
                "otherwise another program answers there, or a forwarder without the hub behind it",
            )
