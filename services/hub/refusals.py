"""What peers were refused, and what failed: counted for the hub's health, and logged once."""

import errno
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import zmq

from affectline.common.logs import ServiceLogger
from affectline.common.runtime.keys import MOST_KEYS

SAID_OF_A_KIND: Final = MOST_KEYS
"""How many users' refusals of one kind are logged; those of any more are only counted."""
MOST_FAILURES: Final = 100
"""How many different failures are logged; any more are only counted."""
ENDED: Final = (errno.ENOTSOCK, zmq.ETERM)
"""Errors of sockets that are closed: the hub is ending."""

LOG: Final = ServiceLogger("hub")


class Refusals:
    """Counts what was refused, by kind, and what failed.

    Args:
        counters: The hub's counters.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self.counters = counters
        self._said: dict[tuple[str, str], set[str]] = {}
        """Whose refusals were logged, by counter and kind."""
        self._failed: set[tuple[str, str]] = set()

    def count(
        self, kind: str, user: str, *, detail: str = "", reason: str = "", counter: str = "refused"
    ) -> None:
        """Count a refusal, and log it if it is the first of its kind for this user.

        Args:
            kind: What was refused. The peer has no part in it: whoever chooses it can fill the log.
            user: Whose it was; empty for a peer without a key.
            detail: Which one it was, as the peer has put it.
            reason: Why, in words.
            counter: Name of the counter.
        """
        self.counters[counter] += 1
        said = self._said.setdefault((counter, kind), set())
        if user in said or len(said) >= SAID_OF_A_KIND:
            return
        said.add(user)
        LOG.warning(
            "refused: %s%s %s%s; repeats are only counted",
            kind,
            f" {detail}" * bool(detail),
            f"of {user}" if user else "of a peer without a key",
            f" ({reason})" * bool(reason),
        )

    @contextmanager
    def surviving(self, what: str) -> Iterator[None]:
        """Drop whatever fails within: no message may end the hub.

        It is a bug all the same. So it is counted (``failed``), and each place that fails is logged
        once, as an error with its traceback.

        Args:
            what: What is handled, for the log.

        Raises:
            zmq.ZMQError: The hub's sockets are closed.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, zmq.ZMQError) and error.errno in ENDED:
                raise
            self.counters["failed"] += 1
            where = str(traceback.extract_tb(error.__traceback__)[-1:])
            if (what, where) not in self._failed and len(self._failed) < MOST_FAILURES:
                self._failed.add((what, where))
                kind = type(error).__name__
                LOG.exception("failed: %s (%s): dropped; repeats are only counted", what, kind)
