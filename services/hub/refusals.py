"""What untrusted peers were refused: counted for the hub's health, and logged once."""

from collections import Counter
from typing import Final

from affectline.common.logs import ServiceLogger

SAID: Final = 100
"""How many different refusals are logged; any more are only counted."""

LOG: Final = ServiceLogger("hub")


class Refusals:
    """Counts what was refused, by kind.

    Args:
        counters: The hub's counters.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self.counters = counters
        self._said: set[tuple[str, str]] = set()

    def count(self, what: str, user: str, reason: str = "", counter: str = "refused") -> None:
        """Count a refusal, and log it if it is the first of its kind.

        Args:
            what: What was refused.
            user: Whose it was; empty for a peer without a key.
            reason: Why, in words.
            counter: Name of the counter.
        """
        self.counters[counter] += 1
        if (what, user) in self._said or len(self._said) >= SAID:
            return
        self._said.add((what, user))
        whose = f"of {user}" if user else "of a peer without a key"
        LOG.warning(
            "refused: %s %s%s; repeats are only counted",
            what,
            whose,
            f" ({reason})" * bool(reason),
        )
