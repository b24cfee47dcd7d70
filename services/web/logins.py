"""Who visits a page: logins with a role and an end, and the delay after wrong tokens.

A login is what the project calls a session elsewhere on the web; here a session is a recording.
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
"""``operator``: everything. ``viewer``: looks on; changes nothing, and takes nothing along."""
LOGINS_MAX: Final = 256
"""Of those that are logged in at a time; the oldest login ends where there are more."""
SECRET_BYTES: Final = 32
FIRST_DELAY_S: Final = 1.0
"""After the first wrong token; each further one doubles it."""
LONGEST_DELAY_S: Final = 300.0
FORGIVEN_S: Final = 3600.0
"""Wrong tokens of an address that has sent none for so long are forgotten."""
ADDRESSES_MAX: Final = 4096
SCOPE_KEY: Final = "affectline.visitor"
"""Where a request says whose it is."""


@dataclass
class Login:
    """A browser that has presented a token."""

    role: Role
    number: str
    """Names it in the audit; no secret."""
    address: str
    ends_at: float
    """By the monotonic clock, in seconds."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it ends before that."""


@dataclass(frozen=True)
class Visitor:
    """Who has opened a page, or sent a request."""

    role: Role
    name: str
    """As the audit names it."""
    address: str
    is_present: Callable[[], bool] = lambda: True
    """Whether the login that it came by has not ended."""

    @property
    def may_operate(self) -> bool:
        """Whether it may do more than look on."""
        return self.role == "operator" and self.is_present()

    def require_operator(self, act: str) -> None:
        """Check that it may do something.

        Args:
            act: What, such as ``record``.

        Raises:
            AffectlineError: It may not.
        """
        if not self.is_present():
            raise AffectlineError("this login has ended", "load the page again")
        if self.role != "operator":
            raise AffectlineError(f"viewers may not {act}", "log in with the operator's token")


LOCAL: Final = Visitor("operator", "this machine", "")
"""Whoever opens a page that asks for no token."""


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    """Whose request it is, as the access control has noted it.

    Raises:
        KeyError: The request has not come through the access control.
    """
    visitor = scope[SCOPE_KEY]
    assert isinstance(visitor, Visitor)  # noqa: S101 - for the type alone
    return visitor


class LoginStore:
    """The logins of one server. They are in its memory alone: its end is the end of all of them.

    Args:
        tokens: What opens which role; a role without a token cannot be had.
        age_s: How long a login lasts.
        clock: In seconds.
    """

    def __init__(
        self, tokens: Mapping[Role, str], age_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._tokens, self._age_s, self._clock = dict(tokens), age_s, clock
        self._logins: OrderedDict[bytes, Login] = OrderedDict()

    def role_of(self, token: str) -> Role | None:
        """The role that a token opens; None where it is wrong."""
        given = token.encode(errors="replace")
        found: Role | None = None
        for role, known in self._tokens.items():
            if compare_digest(given, known.encode()):
                found = role
        return found

    def begin(self, role: Role, address: str) -> tuple[str, Login]:
        """Begin a login; returns its secret, which goes into a cookie, and itself."""
        self._drop_ended()
        while len(self._logins) >= LOGINS_MAX:
            self._logins.popitem(last=False)[1].ended.set()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        login = Login(role, secrets.token_hex(3), address, self._clock() + self._age_s)
        self._logins[_key(secret)] = login
        return secret, login

    def find(self, secret: str) -> Login | None:
        """The login of a cookie; None where it has ended, or never was."""
        login = self._logins.get(_key(secret))
        return login if login is not None and self.is_on(login) else None

    def is_on(self, login: Login) -> bool:
        """Whether a login has not ended."""
        return not login.ended.is_set() and self._clock() < login.ends_at

    def seconds_left(self, login: Login) -> float:
        """How long a login still lasts."""
        return max(0.0, login.ends_at - self._clock())

    def end(self, login: Login) -> None:
        """End a login now: its sockets are closed, its page does nothing more."""
        login.ended.set()
        self._drop_ended()

    def _drop_ended(self) -> None:
        self._logins = OrderedDict(
            (key, login) for key, login in self._logins.items() if self.is_on(login)
        )


class WrongTokens:
    """Has addresses wait that have presented wrong tokens, the longer the more of them.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Of each address: how many, and when the last one came."""
        self.count = 0
        """Wrong tokens so far, of all addresses."""

    def delay_s(self, address: str) -> float:
        """How long an address has to wait before its next token is looked at; 0: not at all."""
        count, at = self._failures.get(_network(address), (0, 0.0))
        if not count:
            return 0.0
        return max(0.0, at + _delay_after(count) - self._clock())

    def add(self, address: str) -> float:
        """A wrong token has come from an address; returns how long it has to wait now."""
        self.count += 1
        network, now = _network(address), self._clock()
        count, at = self._failures.pop(network, (0, now))
        count = 1 if now - at > FORGIVEN_S else count + 1
        self._failures[network] = count, now
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        return _delay_after(count)

    def forget(self, address: str) -> None:
        """The right token has come from an address."""
        self._failures.pop(_network(address), None)


def _delay_after(count: int) -> float:
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(count - 1, 60)))


def _network(address: str) -> str:
    """What one machine can take its addresses from: of IPv6 the first 64 bits."""
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
