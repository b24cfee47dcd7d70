"""What strangers were refused: counted for the hub's health, and said once."""

from collections import Counter
from typing import Final

from affectline.common.logs import ServiceLogger

SAID: Final = 100
"""Different refusals that are said in the log; beyond that they are only counted."""

LOG: Final = ServiceLogger("hub")


class Refusals:
    """Counts, by kind, what was refused.

    Args:
        counters: Those of the hub.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self.counters = counters
        self._said: set[tuple[str, str]] = set()

    def count(self, what: str, user: str, reason: str = "", counter: str = "refused") -> None:
        """Count a refusal, and say so where it is the first of its kind.

        Args:
            what: What was refused.
            user: Whose it was; empty: of somebody without a key.
            reason: Why, in words.
            counter: Where it is counted.
        """
        self.counters[counter] += 1
        if (what, user) in self._said or len(self._said) >= SAID:
            return
        self._said.add((what, user))
        whose = f"of {user}" if user else "of a peer without a key"
        LOG.warning(
            "refused: %s %s%s; more like it is only counted",
            what,
            whose,
            f" ({reason})" * bool(reason),
        )
