"""Chooses and fits the stress model, and does so again without each person who is scored.

Everything that is chosen (constants of the measures, which measures, the penalty on weights) is
chosen by the other people alone: of each choice the separation of people left out of its fit is
measured within them (Varma and Simon 2006, https://doi.org/10.1186/1471-2105-7-91).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stress_model import StressModel
from affectline.services.validation.fitting import (
    LabelledEvidence,
    fit_model,
    log_odds,
    score_seconds,
)
from affectline.services.validation.metrics import Labels, Vector, auc

SETTINGS: Final = (
    FeatureSettings(),
    FeatureSettings(heart_spread=0.1, skin_spread=0.5, skin_prior_s=60.0, low_memory_s=7200.0),
    FeatureSettings(slow_s=300.0, response_window_s=120.0),
)
"""Constants to choose from."""
HEART: Final = (("heart",), ("heart", "heart_rise"))
SKIN: Final = (
    ("skin",), ("skin", "skin_slow"), ("skin", "skin_responses"),
    ("skin", "skin_slow", "skin_responses"),
)  # fmt: skip
BREATHING: Final = ((), ("breathing",))
PENALTIES: Final = (3e-3, 3e-2)
FOLDS: Final = 5
THINNING: Final = 10
"""Choices are compared, and models fitted, on every tenth second: neighbours are alike."""
SET_WEIGHTS: Final = {
    ("heart", "skin", "breathing", "face"): 0.5, ("heart",): 0.25, ("skin",): 0.25,
}  # fmt: skip
"""How much the separation by these signals counts: a signal may fail, so each must do alone."""
CONTRAST_WEIGHTS: Final = {"stress": 0.5, "driving": 0.25, "city": 0.25}
"""Both datasets count the same; within drivedb, driving and the city do."""
MIN_PEOPLE: Final = 3
"""Fewest people to choose by."""


@dataclass(frozen=True)
class Choice:
    """What is chosen before weights are fitted."""

    settings: FeatureSettings
    measures: tuple[str, ...]
    penalty: float

    def describe(self) -> str:
        """Return the choice in words."""
        return (
            f"{', '.join(self.measures)}; penalty {self.penalty:g}; heart "
            f"{self.settings.heart_spread:g}/{self.settings.heart_prior_s:.0f} s, skin "
            f"{self.settings.skin_spread:g}/{self.settings.skin_prior_s:.0f} s, low "
            f"{self.settings.low_memory_s:.0f} s, slow {self.settings.slow_s:.0f} s, responses "
            f"{self.settings.response_window_s:.0f} s"
        )


DEFAULT_CHOICE: Final = Choice(FeatureSettings(), (*HEART[1], *SKIN[3], "breathing"), PENALTIES[0])
"""For fewer people than `MIN_PEOPLE`."""

Evidence = Mapping[FeatureSettings, LabelledEvidence]
"""One person's evidence by the constants that it was made with."""


def list_choices(people: Sequence[Evidence], more: Sequence[str] = ()) -> list[Choice]:
    """Return all choices that differ for these people.

    Args:
        people: Their evidence.
        more: Measures that each choice has, such as ``face``.
    """
    some = [next(iter(person.values())) for person in people]
    has_breathing = any("breathing" in moment for one in some for moment in one.evidence)
    breathing = BREATHING if has_breathing else BREATHING[:1]
    settings = [one for one in SETTINGS if all(one in person for person in people)]
    return [
        Choice(constants, (*heart, *skin, *breath, *more), penalty)
        for constants, heart, skin, breath, penalty in product(
            settings, HEART, SKIN, breathing, PENALTIES
        )
    ]


def separation(scores: Mapping[str, Vector], people: Iterable[LabelledEvidence]) -> float:
    """Return the area under the ROC curve, over all people, averaged over the contrasts."""
    pooled: defaultdict[str, list[tuple[Vector, Labels]]] = defaultdict(list)
    for person in people:
        for one in person.all_contrasts:
            chosen = one.counted
            pooled[one.name].append((scores[person.name][chosen], one.labels[chosen]))
    areas, weights = [], []
    for name, parts in pooled.items():
        area = auc(np.concatenate([p[1] for p in parts]), np.concatenate([p[0] for p in parts]))
        if not np.isnan(area):
            areas.append(area)
            weights.append(CONTRAST_WEIGHTS.get(name, 0.5))
    return float(np.average(areas, weights=weights)) if areas else float("nan")


def choose(people: Sequence[Evidence], choices: Sequence[Choice] | None = None) -> Choice:
    """Return the choice that separates best those of these people who are left out of a fit.

    Args:
        people: Their evidence, thinned.
        choices: What to choose from; None: all.
    """
    candidates = list_choices(people) if choices is None else choices
    if len(people) < MIN_PEOPLE:
        return _fallback(people, candidates)
    folds = [range(i, len(people), FOLDS) for i in range(min(FOLDS, len(people)))]
    best: tuple[float, Choice] | None = None
    for choice in candidates:
        ours = [person[choice.settings] for person in people]
        scores: list[dict[str, Vector]] = [{} for _ in SET_WEIGHTS]
        for fold in folds:
            others = [one for i, one in enumerate(ours) if i not in fold]
            try:
                model = fit_model(others, choice.measures, choice.penalty, choice.settings)
            except AffectlineError:
                return _fallback(people, candidates)  # a fold of one kind: nothing to compare
            for signals, by_person in zip(SET_WEIGHTS, scores, strict=True):
                by_person |= {ours[i].name: log_odds(ours[i], model, signals) for i in fold}
        found = sum(
            weight * separation(one, ours)
            for weight, one in zip(SET_WEIGHTS.values(), scores, strict=True)
        )
        if best is None or found > best[0] + 1e-9:
            best = found, choice
    assert best  # noqa: S101 - for the type checker: there are choices
    return best[1]


def _fallback(people: Sequence[Evidence], candidates: Sequence[Choice]) -> Choice:
    settings = next(iter(people[0])) if people else DEFAULT_CHOICE.settings
    more = tuple(m for m in candidates[0].measures if m == "face") if candidates else ()
    return replace(DEFAULT_CHOICE, settings=settings, measures=(*DEFAULT_CHOICE.measures, *more))


def choose_and_fit(
    people: Sequence[Evidence], more: Sequence[str] = ()
) -> tuple[Choice, StressModel]:
    """Choose by these people, and fit to them.

    Raises:
        AffectlineError: All seconds are of one class.
    """
    choice = choose(people, list_choices(people, more))
    ours = [person[choice.settings] for person in people]
    return choice, fit_model(ours, choice.measures, choice.penalty, choice.settings)


@dataclass(frozen=True)
class HeldOut:
    """A model that was chosen and fitted without one person."""

    name: str
    choice: Choice
    model: StressModel


def leave_one_out(
    people: Sequence[Evidence],
    more: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[HeldOut]:
    """Choose and fit without each person in turn.

    Args:
        people: Everybody's evidence, thinned.
        more: Further measures, such as ``face``.
        progress: Called with the number of people done and the total.
    """
    found = []
    for i, person in enumerate(people):
        others = [other for j, other in enumerate(people) if j != i]
        name = next(iter(person.values())).name
        found.append(HeldOut(name, *choose_and_fit(others, more)))
        progress(len(found), len(people))
    return found


def score_held_out(
    people: Sequence[Evidence],
    models: Sequence[HeldOut],
    sets: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, Vector]]:
    """Return the nervousness by set of signals and person, each by the model without them."""
    return {
        name: {
            held.name: score_seconds(person[held.choice.settings], held.model, signals)
            for person, held in zip(people, models, strict=True)
        }
        for name, signals in sets.items()
    }


def thin(person: Evidence) -> dict[FeatureSettings, LabelledEvidence]:
    """Return every `THINNING`-th second of a person's evidence."""
    return {settings: one.thin(THINNING) for settings, one in person.items()}
