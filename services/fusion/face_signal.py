"""A person's facial expression, from emotion probabilities to the deviation from baseline."""

from collections.abc import Sequence
from typing import Final

from affectline.common.circumplex import Affect, map_to_circumplex
from affectline.common.wire.face_signs import Doubt
from affectline.services.fusion.baseline import Baseline, BaselinePrior
from affectline.services.fusion.face_doubts import FaceDoubts
from affectline.services.fusion.signal_quality import freshness

FACE_PRIOR: Final = BaselinePrior(spread=0.25, seconds=300.0)
"""In units of the circumplex: a quarter is the step from neutral to a weak expression."""
FRESH_S: Final = 1.0
STALE_S: Final = 5.0
"""Ages of the last face up to which it counts fully, and from which it no longer counts."""


class FaceSignal:
    """Facial expression of one person, as a point on the circumplex."""

    def __init__(self) -> None:
        self.baseline = Baseline(FACE_PRIOR)
        self.clear_samples()

    def clear_samples(self) -> None:
        """Forget the last face; keep the baseline."""
        self._affect: Affect | None = None
        self._doubts = FaceDoubts()
        self._at_s = 0.0
        """Time of the last face."""

    def add_expression(
        self, distribution: Sequence[float], at_s: float, doubts: Sequence[Doubt] = ()
    ) -> None:
        """Add probabilities of the seven emotions, in FER2013's order, and doubts about them."""
        self._affect, self._at_s = map_to_circumplex(distribution), at_s
        self._doubts.add(doubts, at_s)

    def close_second(self, now_s: float) -> None:
        """Update the baseline with the second that ends, if a face was seen in it."""
        if self._affect and now_s - self._at_s <= FRESH_S:
            self.baseline.add(self._affect.tension)

    def affect(self, now_s: float) -> Affect | None:
        """Return the last face's position on the circumplex; None once it is stale."""
        return self._affect if self.reliability(now_s) else None

    def reliability(self, now_s: float) -> float:
        """Return how reliable the last face is, 0 to 1, by its age and the doubts about it."""
        if self._affect is None:
            return 0.0
        return self._doubts.factor * freshness(now_s - self._at_s, FRESH_S, STALE_S)

    def quality(self, now_s: float) -> tuple[float, str]:
        """Return how far the deviation can be trusted, 0 to 1, and why not fully."""
        reliability, maturity = self.reliability(now_s), self.baseline.maturity
        if not reliability:
            return 0.0, "no face in sight"
        young = "baseline too short" if maturity < 1 else ""
        aged = "the last face is old" if now_s - self._at_s > FRESH_S else ""
        return reliability * maturity, aged or self._doubts.reason or young

    def deviation(self, now_s: float) -> float | None:
        """Return the tension's deviation from its mean, in standard deviations."""
        affect = self.affect(now_s)
        if affect is None or self.baseline.mean is None:
            return None
        return (affect.tension - self.baseline.mean) / self.baseline.spread
