"""A summary of the session: how calm each person was, and how certain that is."""

import time
from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Any, Final, Literal

import numpy as np

from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import SignalContribution, State
from affectline.common.wire.messages import Marker
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.sessions.marker_responses import AFTER_S
from affectline.services.sessions.timeseries import SessionSeries

BANDS: Final = (
    (25.0, "calm"),
    (50.0, "a little tense"),
    (75.0, "nervous"),
    (101.0, "very nervous"),
)
"""Upper ends of the bands of nervousness, and their names."""
HIGH: Final = 60.0
"""The report counts how often nervousness was above this."""
CERTAINTY: Final = (
    (0.25, "very unsure"), (0.5, "unsure"), (0.75, "fairly sure"), (1.01, "sure")
)  # fmt: skip
"""Upper ends of the bands of the mean quality, and their names."""
NEAR_S: Final = AFTER_S
"""A peak this soon after a marker is reported with it."""
SHORT_S: Final = 30.0
"""A shorter session is too short for conclusions."""
MAX_REASONS: Final = 3
MAX_STRAYS: Final = 3
"""Markers with a wrong time that are named; the others are counted."""


class NarrativeSettings(SectionSettings):
    """Settings of the narrative."""

    section: Literal["narrative"] = "narrative"


class NarrativeSection(Section):
    """Describes the session in sentences, and where they come from."""

    settings_model = NarrativeSettings
    order = 10

    def render(self, data: ReportData) -> str:
        paragraphs = [
            *describe_session(data.session),
            *(
                f"The recording is not whole: {problem}. This page is about the rest."
                for problem in data.problems
            ),
        ]
        lines = [
            f"<p{' class=lead' if i == 0 else ''}>{escape(text)}</p>"
            for i, text in enumerate(paragraphs)
        ]
        origin = describe_origin(data.session, data.recording.about)
        return "\n".join([*lines, "", f"<p class=note>{escape(origin)}</p>"])


def describe_session(session: SessionSeries) -> list[str]:
    """Plain sentences about a session, in paragraphs with the most important first.

    Example:
        ``Over 8 min 10 s the person was mostly calm: ...``
    """
    paragraphs = [" ".join(sentences) for sentences in _describe_people(session)]
    if not paragraphs:
        paragraphs = [
            "How calm the person was cannot be said: no heart or skin signal was recorded, or no "
            "fusion process ran beside them."
        ]
    if session.synthetic:
        paragraphs.append("Some of the signals are synthetic: no person was measured by them.")
    paragraphs += list(_describe_faces(session))
    strays = session.strays
    if strays:
        paragraphs.append(_describe_strays(strays))
    return paragraphs


def _describe_people(session: SessionSeries) -> Iterator[list[str]]:
    # The person with the most states comes first.
    for subject, _ in Counter(state.subject for state in session.states).most_common():
        states = [state for state in session.states if state.subject == subject]
        yield [*_describe_calmness(subject, states, session), *_describe_certainty(states, session)]


def _describe_calmness(subject: str, states: list[State], session: SessionSeries) -> Iterator[str]:
    known = [(s.at, s.nervousness) for s in states if s.nervousness is not None]
    if not known:
        yield f"Nothing that was measured of {subject} says how calm they were."
        return
    values = np.array([value for _, value in known])
    median, share = float(np.median(values)), float((values > HIGH).mean())
    often = f"{share:.0%} of the time it was above" if share else "it was never above"
    yield (
        f"Over {format_duration(session.seconds)}, {subject} was mostly {name_band(median)}: "
        f"half of the time nervousness was {median:.0f} or less on a scale from 0 to 100, and "
        f"{often} {HIGH:.0f}."
    )
    top = int(values.argmax())
    at = known[top][0]
    cause = _describe_marker_before(at, session.markers)
    yield f"The highest was {values[top]:.0f}, at {format_clock(at, session)}{cause}."


def _describe_marker_before(at: int, markers: list[Marker]) -> str:
    before = [m for m in markers if 0 <= at - m.at <= NEAR_S * 1e9]
    if not before:
        return ""
    last = before[-1]
    return f", {(at - last.at) / 1e9:.0f} s after “{last.label}”"


def _describe_certainty(states: list[State], session: SessionSeries) -> Iterator[str]:
    quality = float(np.mean([state.quality for state in states]))
    sure = next(word for end, word in CERTAINTY if quality < end)
    yield f"The report is {sure} of that (mean quality {quality:.0%})."
    reasons: dict[str, Counter[str]] = {}
    for state in states:
        for signal, contribution in _counting_signals(state).items():
            if contribution.reason:
                reasons.setdefault(contribution.reason, Counter())[signal] += 1
    frequent = sorted(reasons.items(), key=lambda pair: -max(pair[1].values()))[:MAX_REASONS]
    if frequent:
        listed = "; ".join(_format_reason(*pair, len(states)) for pair in frequent)
        yield f"What lowers it: {listed}."
    last = states[-1]
    if last.baseline in ("none", "continuous"):
        yield (
            "It compares with a running baseline, not with a calibration at rest"
            f" ({last.baseline_s:.0f} s of rest so far)."
        )
    if session.seconds < SHORT_S:
        yield f"{format_duration(session.seconds)} is too short to know a person's rest."


def _counting_signals(state: State) -> dict[str, SignalContribution]:
    """The signals that the quality depends on: a face does not count beside heart or skin."""
    available = {name for name, signal in state.signals.items() if signal.value is not None}
    ignored = "face" if available & {"heart", "skin"} else ""
    return {name: signal for name, signal in state.signals.items() if name != ignored}


def _format_reason(reason: str, signals: Counter[str], states: int) -> str:
    return f"{reason} ({', '.join(signals)}; {max(signals.values()) / states:.0%} of the time)"


def _describe_faces(session: SessionSeries) -> Iterator[str]:
    for stream, by_label in session.emotions.items():
        means = {label: float(by_label[label].values.mean()) for label in LABELS}
        first, second = sorted(means, key=lambda label: -means[label])[:2]
        frames = session.frames.get(stream, 0)
        seen = 1 - session.frames_without_face.get(stream, 0) / frames if frames else 0.0
        yield (
            f"In {stream} a face was in sight {seen:.0%} of the time; its expression was read as "
            f"{first} ({means[first]:.0%} on average) and {second} ({means[second]:.0%}). An "
            "expression is not a feeling."
        )


def _describe_strays(strays: list[Marker]) -> str:
    named = ", ".join(
        f"“{marker.label}” at {format_date(marker.at)}" for marker in strays[:MAX_STRAYS]
    )
    more = f" and {len(strays) - MAX_STRAYS} more" if len(strays) > MAX_STRAYS else ""
    return (
        f"Not on the time axis, for their times are far outside of the recording: {named}{more}. "
        "Perhaps a tool said seconds where nanoseconds are meant, or its clock is wrong."
    )


def describe_origin(session: SessionSeries, about: dict[str, Any]) -> str:
    """When and how a session was recorded, as far as that is known."""
    begun = ""
    if session.first is not None:
        begun = format_date(session.first)
    parts = {
        "Recorded": begun, "model": about.get("model"), "privacy": about.get("privacy"),
        "delivery": about.get("delivery"), "Affectline": about.get("affectline"),
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def name_band(nervousness: float) -> str:
    """Name of the band of a nervousness from 0 to 100."""
    return next(word for end, word in BANDS if nervousness < end)


def format_duration(seconds: float) -> str:
    """Format a duration such as ``8 min 10 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def format_date(at: int) -> str:
    """Format nanoseconds since the Unix epoch as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at / 1e9))


def format_clock(at: int, session: SessionSeries) -> str:
    """Format a time as minutes and seconds since the start, such as ``3:05``."""
    minutes, rest = divmod(max(0, at - (session.first or at)) // 1_000_000_000, 60)
    return f"{minutes}:{rest:02d}"
