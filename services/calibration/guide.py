"""The guided half minute before a camera: which expression to show when."""

from collections.abc import Callable
from typing import Final, NamedTuple

from affectline.common.settings.pipeline import TimedMarker
from affectline.services.collect.prompts import EXAMPLES

LEAD_S: Final = 6.0
"""Seconds from the session's start to the first prompt: the camera and the model start, and the
person sits down."""
NEUTRAL_S: Final = 10.0
EXPRESSION_S: Final = 5.0
ORDER: Final = ("neutral", "happy", "surprise", "angry", "sad")
"""Expressions that most people can show when asked. Fear and disgust, which the model knows least,
are left out."""
FINISHED: Final = "thank you"
"""Label of the marker after the last expression."""


class Prompt(NamedTuple):
    """A request to a person."""

    at_s: float
    """Seconds from the session's start."""
    label: str
    seconds: float
    """How long the person shows the expression."""

    @property
    def text(self) -> str:
        """The request in words."""
        return f"{self.label}, {self.seconds:g} s. {EXAMPLES[self.label]}"


def plan_prompts() -> tuple[Prompt, ...]:
    """The prompts of a guided calibration, in order."""
    prompts: list[Prompt] = []
    at_s = LEAD_S
    for label in ORDER:
        seconds = NEUTRAL_S if label == "neutral" else EXPRESSION_S
        prompts.append(Prompt(at_s, label, seconds))
        at_s += seconds
    return tuple(prompts)


def end_s(prompts: tuple[Prompt, ...]) -> float:
    """When the last expression ends, in s from the session's start."""
    return prompts[-1].at_s + prompts[-1].seconds


def plan_markers(prompts: tuple[Prompt, ...]) -> tuple[TimedMarker, ...]:
    """Markers at the prompts, which keep them in the session."""
    markers = [TimedMarker(at_s=prompt.at_s, label=prompt.label) for prompt in prompts]
    return (*markers, TimedMarker(at_s=end_s(prompts), label=FINISHED))


class Prompter:
    """Shows each prompt when its time has come.

    Args:
        prompts: The prompts, in order.
        show: Called with the text of each.
    """

    def __init__(self, prompts: tuple[Prompt, ...], show: Callable[[str], None]) -> None:
        self._waiting, self._show = list(prompts), show

    def reach(self, at_s: float) -> None:
        """Show what is due at a time, in s from the session's start."""
        while self._waiting and self._waiting[0].at_s <= at_s:
            self._show(self._waiting.pop(0).text)
