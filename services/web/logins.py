"""Logins of a page's visitors, with a role and an expiry, and the delay after wrong tokens.

A login is what is usually called a session on the web; in this project a session is a recording.
"""

import asyncio
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, Literal

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError

Role = Literal["operator", "viewer"]
"""``operator``: may do everything. ``viewer``: may watch, but not change or save anything."""
LOGINS_MAX: Final = 256
"""Maximum of concurrent logins; beyond it, the oldest login ends."""
SECRET_BYTES: Final = 32
FIRST_DELAY_S: Final = 1.0
"""Delay after the first wrong token; each further one doubles it."""
LONGEST_DELAY_S: Final = 300.0
FORGIVEN_S: Final = 3600.0
"""Wrong tokens of an address are forgotten if it has sent none for this long."""
ADDRESSES_MAX: Final = 4096
SCOPE_KEY: Final = "affectline.visitor"
"""Key of the visitor in a request's scope."""


@dataclass
class Login:
    """A browser that has presented a token."""

    role: Role
    number: str
    """Identifies it in the audit log; not a secret."""
    address: str
    ends_at: float
    """Expiry by the monotonic clock, in seconds."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set if it ends before its expiry."""


@dataclass(frozen=True)
class Visitor:
    """Who has opened a page, or sent a request."""

    role: Role
    name: str
    """Name in the audit log."""
    address: str
    is_present: Callable[[], bool] = lambda: True
    """Returns whether the visitor's login is still valid."""

    @property
    def may_operate(self) -> bool:
        """Whether the visitor may do more than watch."""
        return self.role == "operator" and self.is_present()

    def require_operator(self, act: str) -> None:
        """Check that the visitor may do something.

        Args:
            act: The action, such as ``record``.

        Raises:
            AffectlineError: The visitor may not.
        """
        if not self.is_present():
            raise AffectlineError("this login has ended", "load the page again")
        if self.role != "operator":
            raise AffectlineError(f"viewers may not {act}", "log in with the operator's token")


LOCAL: Final = Visitor("operator", "this machine", "")
"""The visitor of a page that requires no token."""


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    """The visitor of a request, as set by the access control.

    Raises:
        KeyError: The request has not passed the access control.
    """
    visitor = scope[SCOPE_KEY]
    assert isinstance(visitor, Visitor)  # noqa: S101 - only for the type checker
    return visitor


class LoginStore:
    """The logins of one server. They are only in memory, so they end with the server.

    Args:
        tokens: Token by role; a role without a token is not available.
        age_s: How long a login lasts.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, tokens: Mapping[Role, str], age_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._tokens, self._age_s, self._clock = dict(tokens), age_s, clock
        self._logins: OrderedDict[bytes, Login] = OrderedDict()

    def role_of(self, token: str) -> Role | None:
        """The role of a token; None if the token is wrong."""
        given = token.encode(errors="replace")
        found: Role | None = None
        for role, known in self._tokens.items():
            if compare_digest(given, known.encode()):
                found = role
        return found

    def begin(self, role: Role, address: str) -> tuple[str, Login]:
        """Begin a login; return its secret, for the cookie, and the login."""
        self._drop_ended()
        while len(self._logins) >= LOGINS_MAX:
            self._logins.popitem(last=False)[1].ended.set()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        login = Login(role, secrets.token_hex(3), address, self._clock() + self._age_s)
        self._logins[_key(secret)] = login
        return secret, login

    def find(self, secret: str) -> Login | None:
        """The login of a cookie; None if it has ended or never existed."""
        login = self._logins.get(_key(secret))
        return login if login is not None and self.is_on(login) else None

    def is_on(self, login: Login) -> bool:
        """Whether a login has not ended."""
        return not login.ended.is_set() and self._clock() < login.ends_at

    def seconds_left(self, login: Login) -> float:
        """How long a login still lasts."""
        return max(0.0, login.ends_at - self._clock())

    def end(self, login: Login) -> None:
        """End a login now: its sockets are closed, and its page stops working."""
        login.ended.set()
        self._drop_ended()

    def _drop_ended(self) -> None:
        self._logins = OrderedDict(
            (key, login) for key, login in self._logins.items() if self.is_on(login)
        )


class WrongTokens:
    """Delays addresses that have sent wrong tokens; more wrong tokens mean a longer delay.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By address: number of wrong tokens, and time of the last one."""
        self.count = 0
        """Wrong tokens from all addresses so far."""

    def delay_s(self, address: str) -> float:
        """How long an address must wait before its next token is checked; 0: no wait."""
        count, at = self._failures.get(_network(address), (0, 0.0))
        if not count:
            return 0.0
        return max(0.0, at + _delay_after(count) - self._clock())

    def add(self, address: str) -> float:
        """Count a wrong token from an address; return how long it must wait now."""
        self.count += 1
        network, now = _network(address), self._clock()
        count, at = self._failures.pop(network, (0, now))
        count = 1 if now - at > FORGIVEN_S else count + 1
        self._failures[network] = count, now
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        return _delay_after(count)

    def forget(self, address: str) -> None:
        """Forget an address's wrong tokens, because it has sent the right one."""
        self._failures.pop(_network(address), None)


def _delay_after(count: int) -> float:
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(count - 1, 60)))


def _network(address: str) -> str:
    """The range that one machine can take its addresses from: the first 64 bits for IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _key(secret: str) -> bytes:
    return sha256(secret.encode(errors="replace")).digest()
