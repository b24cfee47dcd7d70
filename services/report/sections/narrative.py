"""A session in a paragraph: how calm the person was, and how sure that is."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import SignalContribution, State
from affectline.common.wire.messages import Marker
from affectline.services.sessions.marker_responses import AFTER_S
from affectline.services.sessions.timeseries import SessionSeries

BANDS: Final = (
    (25.0, "calm"),
    (50.0, "a little tense"),
    (75.0, "nervous"),
    (101.0, "very nervous"),
)
"""Upper ends of nervousness, and what it is called below them."""
HIGH: Final = 60.0
"""Nervousness that is worth telling when it was."""
SURE: Final = (
    (0.25, "very unsure"), (0.5, "unsure"), (0.75, "fairly sure"), (1.01, "sure")
)  # fmt: skip
"""Upper ends of the mean quality, and how sure the report is below them."""
NEAR_S: Final = AFTER_S
"""A peak so soon after a marker is told together with it."""
SHORT_S: Final = 30.0
"""A session shorter than this says little about anybody."""
REASONS: Final = 3
NAMED: Final = 3
"""Markers with a wrong time that are named; of more their number is told."""


def paragraphs(session: SessionSeries) -> list[str]:
    """Plain sentences about a session, the most important first.

    Example:
        ``Over 8 min 10 s the person was mostly calm: ...``
    """
    said = [" ".join(lines) for lines in _about_people(session)]
    if not said:
        said = [
            "How calm the person was cannot be said: no heart or skin signal was recorded, or no "
            "fusion process ran beside them."
        ]
    if session.synthetic:
        said.append("Some of the signals are synthetic: no person was measured by them.")
    said += list(_about_faces(session))
    strays = session.strays
    if strays:
        said.append(_about_strays(strays))
    return said


def _about_people(session: SessionSeries) -> Iterator[list[str]]:
    # Whom most is known of comes first.
    for subject, _ in Counter(state.subject for state in session.states).most_common():
        states = [state for state in session.states if state.subject == subject]
        yield [*_how_calm(subject, states, session), *_how_sure(states, session)]


def _how_calm(subject: str, states: list[State], session: SessionSeries) -> Iterator[str]:
    told = [(s.at, s.nervousness) for s in states if s.nervousness is not None]
    if not told:
        yield f"Nothing that was measured of {subject} says how calm they were."
        return
    values = np.array([value for _, value in told])
    middle, share = float(np.median(values)), float((values > HIGH).mean())
    often = f"{share:.0%} of the time it was above" if share else "it was never above"
    yield (
        f"Over {span(session.seconds)}, {subject} was mostly {name_band(middle)}: half of the time "
        f"nervousness was {middle:.0f} or less on a scale from 0 to 100, and {often} {HIGH:.0f}."
    )
    top = int(values.argmax())
    at = told[top][0]
    yield (
        f"The highest was {values[top]:.0f}, at {clock(at, session)}{_beside(at, session.markers)}."
    )


def _beside(at: int, markers: list[Marker]) -> str:
    before = [m for m in markers if 0 <= at - m.at <= NEAR_S * 1e9]
    if not before:
        return ""
    last = before[-1]
    return f", {(at - last.at) / 1e9:.0f} s after “{last.label}”"


def _how_sure(states: list[State], session: SessionSeries) -> Iterator[str]:
    quality = float(np.mean([state.quality for state in states]))
    sure = next(word for end, word in SURE if quality < end)
    yield f"The report is {sure} of that (mean quality {quality:.0%})."
    reasons: dict[str, Counter[str]] = {}
    for state in states:
        for signal, share in _that_count(state).items():
            if share.reason:
                reasons.setdefault(share.reason, Counter())[signal] += 1
    often = sorted(reasons.items(), key=lambda pair: -max(pair[1].values()))[:REASONS]
    if often:
        yield "What lowers it: " + "; ".join(_reason(*pair, len(states)) for pair in often) + "."
    last = states[-1]
    if last.baseline in ("none", "continuous"):
        yield (
            "It compares with a running baseline, not with a calibration at rest"
            f" ({last.baseline_s:.0f} s of rest so far)."
        )
    if session.seconds < SHORT_S:
        yield f"{span(session.seconds)} is too short to know a person's rest."


def _that_count(state: State) -> dict[str, SignalContribution]:
    """The signals that the quality comes of: a face does not count beside heart or skin."""
    said = {name for name, share in state.signals.items() if share.value is not None}
    left_out = "face" if said & {"heart", "skin"} else ""
    return {name: share for name, share in state.signals.items() if name != left_out}


def _reason(reason: str, signals: Counter[str], states: int) -> str:
    return f"{reason} ({', '.join(signals)}; {max(signals.values()) / states:.0%} of the time)"


def _about_faces(session: SessionSeries) -> Iterator[str]:
    for stream, shares in session.emotions.items():
        means = {label: float(shares[label].values.mean()) for label in LABELS}
        first, second = sorted(means, key=lambda label: -means[label])[:2]
        answered = session.frames.get(stream, 0)
        seen = 1 - session.faceless.get(stream, 0) / answered if answered else 0.0
        yield (
            f"In {stream} a face was in sight {seen:.0%} of the time; its expression was read as "
            f"{first} ({means[first]:.0%} on average) and {second} ({means[second]:.0%}). An "
            "expression is not a feeling."
        )


def _about_strays(strays: list[Marker]) -> str:
    named = ", ".join(f"“{marker.label}” at {date(marker.at)}" for marker in strays[:NAMED])
    more = f" and {len(strays) - NAMED} more" if len(strays) > NAMED else ""
    return (
        f"Not on the time axis, for their times are far outside of the recording: {named}{more}. "
        "Perhaps a tool said seconds where nanoseconds are meant, or its clock is wrong."
    )


def where_from(session: SessionSeries, about: dict[str, Any]) -> str:
    """When and how a session was recorded, as far as the recording says."""
    begun = ""
    if session.first is not None:
        begun = date(session.first)
    parts = {
        "Recorded": begun, "model": about.get("model"), "privacy": about.get("privacy"),
        "delivery": about.get("delivery"), "Affectline": about.get("affectline"),
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def name_band(nervousness: float) -> str:
    """What a nervousness from 0 to 100 is called."""
    return next(word for end, word in BANDS if nervousness < end)


def span(seconds: float) -> str:
    """A length of time, such as ``8 min 10 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def date(at: int) -> str:
    """A time on this computer's calendar, from nanoseconds since the Unix epoch."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at / 1e9))


def clock(at: int, session: SessionSeries) -> str:
    """A time since the beginning, such as ``3:05``."""
    minutes, rest = divmod(max(0, at - (session.first or at)) // 1_000_000_000, 60)
    return f"{minutes}:{rest:02d}"
