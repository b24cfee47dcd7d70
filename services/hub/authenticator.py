"""Authenticates peers that connect by TCP, with the hub's keys.

libzmq asks in the middle of each handshake (ZAP, `RFC 27 <https://rfc.zeromq.org/spec/27/>`_).
The keys are read again whenever they change.
"""

import contextlib
import struct
import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.runtime.endpoints import Endpoint
from affectline.common.runtime.keys import CurvePair, KeyHolder, KeyStore, fingerprint
from affectline.common.runtime.sockets import bind
from affectline.services.hub.peer_properties import CONNECTION
from affectline.services.hub.refusals import Refusals

ZAP: Final = "inproc://zeromq.zap.01"
"""The address at which libzmq asks, as the RFC defines it."""
VERSION: Final = b"1.0"
FOR_EVERY_ROLE: Final = "everybody"
FOR_PIPELINE: Final = "pipeline"
"""ZAP domains: sockets that every key opens, and those for processes of the pipeline."""
LOOK_S: Final = 1.0
"""How often the folder of keys is checked."""
REBIND_S: Final = 2.0
"""How long a port may take to become free after it is released."""
RETRY_S: Final = 0.02
ANSWERED_AT_ONCE: Final = 64

LOG: Final = ServiceLogger("hub")


class KeyChange(NamedTuple):
    """What has changed since the keys were last read."""

    revoked: frozenset[str] = frozenset()
    """Names of keys that were revoked, or whose permissions have changed."""
    has_new_hub_pair: bool = False


class Authenticator:
    """Holds the hub's own keys and the keys that are allowed to connect.

    Args:
        context: The ZeroMQ context of its socket.
        store: The folder of keys.
        refusals: Counts refused handshakes.

    Raises:
        AffectlineError: The hub has no keys of its own, or they cannot be read.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], store: KeyStore, refusals: Refusals
    ) -> None:
        self._store, self._refusals = store, refusals
        pair = store.hub_pair()
        if pair is None:
            raise AffectlineError(
                f"the hub has no keys in {store.folder}", "make them with: affectline keys new NAME"
            )
        self.pair: CurvePair = pair
        self._read_state = store.changed_at()
        self._unreadable: dict[str, str] = {}
        self.holders: Mapping[str, KeyHolder] = self._read_holders()
        self._next_look = monotonic() + LOOK_S
        self._added_at = 0
        self._revoked: frozenset[str] = frozenset()
        """Names whose keys were revoked or have changed, until `update` returns them."""
        self._handshakes = 0
        self._bound: list[tuple[zmq.Socket[bytes], Endpoint]] = []
        self.socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ZAP)

    def bind(self, socket: zmq.Socket[bytes], endpoint: Endpoint, *, for_pipeline: bool) -> None:
        """Bind a socket that accepts only peers with a key for it.

        Raises:
            AffectlineError: The port is in use.
        """
        self.secure(socket, for_pipeline=for_pipeline)
        bind(socket, endpoint)
        self._bound.append((socket, endpoint))

    def secure(self, socket: zmq.Socket[bytes], *, for_pipeline: bool) -> None:
        """Make a socket accept only peers with a key for it, wherever it is bound from now on."""
        domain = FOR_PIPELINE if for_pipeline else FOR_EVERY_ROLE
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.pair.secret_key.encode())
        socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # no answer must never mean open access

    def answer(self) -> None:
        """Answer waiting handshakes, a limited number at once: messages are waiting as well."""
        for _ in range(ANSWERED_AT_ONCE):
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            name = ""
            with self._refusals.surviving("a handshake"):  # each must be answered before the next
                name = self._identify(request)
            status = [b"200", b"OK"] if name else [b"400", b"no"]
            number = request[1] if len(request) > 1 else b""
            self._handshakes += 1
            called = str(self._handshakes).encode()
            told = _property(CONNECTION.encode(), called) if name else b""
            self.socket.send_multipart([VERSION, number, *status, name.encode(), told])

    def _identify(self, request: list[bytes]) -> str:
        """The name of the key that asks if it is allowed; else an empty string."""
        if len(request) != 7 or request[0] != VERSION or request[5] != b"CURVE":
            return ""
        _, _, domain, address, _, _, key = request
        public_key = z85.encode(key).decode() if len(key) == 32 else ""
        found = self._find(public_key)
        if not found and self._have_holders_changed():
            found = self._find(public_key)
        if found and (domain != FOR_PIPELINE.encode() or found[0].role == "pipeline"):
            return found[0].name
        whose = found[0].name if found else f"an unknown key at {address.decode()}"
        what = "a connection to the bus" if found else "a connection"
        self._refusals.count(what, whose, counter="refused_handshakes")
        return ""

    def _find(self, public_key: str) -> list[KeyHolder]:
        return [one for one in self.holders.values() if one.public_key == public_key]

    def _have_holders_changed(self) -> bool:
        """Read the allowed keys again if one was added, replaced or removed since the last call.

        libzmq never tries again after a refusal, so a new key must count at once.
        """
        added_at = self._store.added_at()
        if added_at == self._added_at:
            return False
        self._added_at = added_at
        self._update_holders()
        return True

    def update(self) -> KeyChange:
        """Check once a second whether keys have changed, and apply the new ones."""
        if monotonic() < self._next_look:
            return KeyChange()
        self._next_look = monotonic() + LOOK_S
        state = self._store.changed_at()
        is_new = False
        if state != self._read_state:
            self._read_state = state
            self._update_holders()
            is_new = self._update_pair()
        revoked, self._revoked = self._revoked, frozenset()
        return KeyChange(revoked, is_new)

    def _update_holders(self) -> None:
        holders = self._read_holders()
        changed = {name for name, one in self.holders.items() if holders.get(name) != one}
        added = sorted(holders.keys() - self.holders.keys())
        self.holders = holders
        self._revoked |= changed
        if added or changed:
            LOG.warning(
                "keys have changed: newly allowed: %s; revoked or changed: %s",
                ", ".join(added) or "none", ", ".join(sorted(changed)) or "none",
            )  # fmt: skip

    def _update_pair(self) -> bool:
        """Use the hub's own keys as they are now; return whether they are new."""
        pair = self._read_pair()
        if pair == self.pair:
            return False
        self.pair = pair
        LOG.warning("the hub has a new key: %s", fingerprint(pair.public_key))
        for socket, endpoint in self._bound:
            self._rebind(socket, endpoint)
        return True

    def _read_holders(self) -> Mapping[str, KeyHolder]:
        """The keys that are allowed; log files that have become unreadable."""
        allowed = self._store.allowed()
        for name, problem in allowed.unreadable.items():
            if self._unreadable.get(name) != problem:
                LOG.error("the key of %s is not allowed: %s", name, problem)
        self._unreadable = allowed.unreadable
        return allowed.holders

    def _read_pair(self) -> CurvePair:
        """The hub's own keys; the ones in use if there are no others that can be read."""
        try:
            return self._store.hub_pair() or self.pair
        except AffectlineError as error:
            LOG.warning("cannot read the hub's own changed key, keeping the old one: %s", error)
            return self.pair

    def _rebind(self, socket: zmq.Socket[bytes], endpoint: Endpoint) -> None:
        """Listen with the hub's new key; connections that use the old one end."""
        socket.unbind(endpoint.address)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.pair.secret_key.encode())
        deadline = monotonic() + REBIND_S
        while True:
            with contextlib.suppress(AffectlineError):
                bind(socket, endpoint)
                return
            threading.Event().wait(RETRY_S)
            if monotonic() > deadline:
                LOG.error("cannot listen on %s with the new key", endpoint.address)
                return

    def close(self) -> None:
        """Stop answering handshakes."""
        self.socket.close()


def _property(name: bytes, value: bytes) -> bytes:
    """A property as the protocol encodes it: name and value, each preceded by its length."""
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
