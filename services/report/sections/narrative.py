"""A summary of the session: what was seen, how calm each person was, and how certain that is."""

import time
from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Any, Final, Literal

import numpy as np

from affectline.common.wire.biometrics import SignalContribution, State
from affectline.common.wire.messages import Marker
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.sessions.expression_figures import (
    MEAN_PROBABILITY,
    SHARE_OF_FRAMES,
    ExpressionFigures,
)
from affectline.services.sessions.marker_responses import AFTER_S
from affectline.services.sessions.stream_stats import StreamSummary
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
MAX_EXPRESSIONS: Final = 3
"""Expressions that the words name; the table has all seven."""
MAPPING: Final = (
    "Valence (-1 displeased to 1 pleased) and arousal (-1 asleep to 1 agitated) are the mean place "
    "of the seven probabilities on Russell's circumplex, by the ratings of Russell and Mehrabian "
    "(1977, Journal of Research in Personality 11)."
)
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
            *(f"{remark[0].upper()}{remark[1:]}." for remark in data.remarks),
        ]
        lines = [
            f"<p{' class=lead' if i == 0 else ''}>{escape(text)}</p>"
            for i, text in enumerate(paragraphs)
        ]
        origin = describe_origin(data.session, data.recording.about)
        return "\n".join([*lines, "", f"<p class=note>{escape(origin)}</p>"])


def describe_session(session: SessionSeries) -> list[str]:
    """Plain sentences about a session, in paragraphs with the most important first.

    How calm somebody was comes first where heart or skin were measured, and is not spoken of
    where they were not.

    Example:
        ``Over 8 min 10 s, anna was mostly calm: ...``
    """
    paragraphs = [" ".join(sentences) for sentences in _describe_people(session)]
    paragraphs += list(_describe_faces(session))
    if session.synthetic:
        paragraphs.append("Some of the signals are synthetic: no person was measured by them.")
    if not paragraphs:
        paragraphs.append("Nobody was seen or measured.")
    strays = session.strays
    if strays:
        paragraphs.append(_describe_strays(strays))
    return paragraphs


def _describe_people(session: SessionSeries) -> Iterator[list[str]]:
    counts = Counter(s.subject for s in session.states if s.subject in session.measured)
    for subject, _ in counts.most_common():  # the person with the most states comes first
        states = [state for state in session.states if state.subject == subject]
        yield [*_describe_calmness(subject, states, session), *_describe_certainty(states, session)]
    unused = sorted(session.sampled - session.measured)
    if unused:
        why = (
            "none of them could be used" if session.states else "no fusion process ran beside them"
        )
        yield [f"Signals of {', '.join(unused)} were recorded, but {why}."]


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
    named = {picture.stream for picture in session.pictures}
    described = [
        _describe_pictures(stream, summary)
        if stream in named
        else _describe_stream(stream, summary, session)
        for stream, summary in session.streams.items()
        if summary.frames
    ]
    yield from described
    if any(summary.expressions.faces for summary in session.streams.values()):
        yield f"{MAPPING} An expression is not a feeling."


def _describe_stream(stream: str, summary: StreamSummary, session: SessionSeries) -> str:
    length = format_duration(session.seconds_of(stream))
    if not summary.frames_with_face:
        return f"In {stream} no face was seen in {summary.frames} frames over {length}."
    most = session.most_faces[stream]
    who = "a face was" if most == 1 else f"up to {most} faces at a time were"
    seen = summary.frames_with_face / summary.frames
    tracks = "" if summary.tracks == most else f", as {summary.tracks} tracks"
    return (
        f"In {stream} {who} in sight in {seen:.0%} of {summary.frames} frames over {length}{tracks}"
        f"{_describe_expressions(summary.expressions, 'It was' if most == 1 else 'They were')}"
    )


def _describe_pictures(stream: str, summary: StreamSummary) -> str:
    return (
        f"{stream} is {summary.frames} pictures, each looked at by itself: "
        f"{summary.frames_with_face} of them show a face, {summary.faces} faces in all"
        f"{_describe_expressions(summary.expressions, 'They were')}"
    )


def _describe_expressions(figures: ExpressionFigures, who: str) -> str:
    """What faces showed, as the end of a sentence and another one."""
    affect = figures.affect()
    if affect is None:
        return "; none of them has a result."
    first, *others = [one for one in figures.by_share() if one.share_of_frames][:MAX_EXPRESSIONS]
    more = ", ".join(
        f"{one.label} ({one.share_of_frames:.1%}, {one.mean_probability:.1%})" for one in others
    )
    return (
        f". {who} labelled {first.label} most ({SHARE_OF_FRAMES} {first.share_of_frames:.1%}, "
        f"{MEAN_PROBABILITY} {first.mean_probability:.1%}){f', then {more}' if more else ''}. "
        f"Mean valence was {affect.valence:+.2f}, mean arousal {affect.arousal:+.2f}."
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
    zero = session.zero or about.get("session_start")
    begun = format_date(zero) if zero else ""
    parts = {
        "Begins": begun, "model": about.get("model"), "privacy": about.get("privacy"),
        "delivery": about.get("delivery"), "Affectline": about.get("affectline"),
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def name_band(nervousness: float) -> str:
    """Name of the band of a nervousness from 0 to 100."""
    return next(word for end, word in BANDS if nervousness < end)


def format_duration(seconds: float) -> str:
    """Format a duration such as ``8 min 10 s``, or ``19.6 s`` below a minute."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min {rest} s"


def format_date(at: int) -> str:
    """Format nanoseconds since the Unix epoch as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at / 1e9))


def format_clock(at: int, session: SessionSeries) -> str:
    """Format a time as minutes and seconds of the session, such as ``3:05``.

    Args:
        at: On the session's time line, in ns since the Unix epoch.
        session: Whose start is 0:00; what was before has a minus.
    """
    since = at - session.zero
    minutes, rest = divmod(abs(since) // 1_000_000_000, 60)
    return f"{'-' if since <= -1_000_000_000 else ''}{minutes}:{rest:02d}"
