"""Results in sentences: what was seen, how calm each person was, and what is missing."""

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Final, Literal

from affectline.common.vision.sign_words import DOUBT_WORDS
from affectline.common.wire.messages import Marker
from affectline.services.report.model_limits import describe_models
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.words import (
    USUAL_SUBJECT,
    describe_quantity,
    format_clock,
    format_date,
    format_duration,
    percent,
    signed,
)
from affectline.services.sessions.expression_figures import (
    MEAN_PROBABILITY,
    SHARE_OF_FRAMES,
    ExpressionFigures,
)
from affectline.services.sessions.marker_responses import AFTER_S
from affectline.services.sessions.person_state import (
    HIGH,
    LEAST_QUALITY,
    Calmness,
    sum_up_calmness,
)
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sessions.timeseries import SessionSeries

BANDS: Final = (
    (25.0, "calm"),
    (50.0, "a little tense"),
    (75.0, "nervous"),
    (101.0, "very nervous"),
)
"""Upper limits of the bands of nervousness, and their names."""
ENOUGH: Final = 0.5
"""If the known share of the time is lower, the text starts with what is missing."""
NEAR_S: Final = AFTER_S
"""A peak this soon after a marker is reported with it."""
VALIDATION: Final = {
    frozenset({"heart"}): 69,
    frozenset({"skin"}): 79,
    frozenset({"heart", "skin"}): 82,
}
"""Of a hundred pairs of a second under stress and a second at rest, how many nervousness orders
correctly, by available signals: the pooled areas under the curve of docs/validation.md."""
INDEX: Final = "a stress index from heart rate and skin conductance"
REASON_WORDS: Final = {
    "the baseline is young": "baseline too short",
    "no heart signal": "no heart rate",
    "no skin signal": "no skin conductance",
    "gaps between the beats": "gaps between the heart beats",
}
MAX_REASONS: Final = 3
MAX_EXPRESSIONS: Final = 3
"""Number of expressions in the text; the table has all seven."""
MAX_DOUBTS: Final = 3
MAX_STRAYS: Final = 3
"""Number of markers with a wrong time to name; the others are counted."""


class NarrativeSettings(SectionSettings):
    """Settings of the narrative."""

    section: Literal["narrative"] = "narrative"


class NarrativeSection(Section):
    """Describes what was seen, how calm people were, and what is missing."""

    settings_model = NarrativeSettings
    order = 10

    def render(self, data: ReportData) -> str:
        session = data.session
        results = [f"<p class=lead>{escape(text)}</p>" for text in describe_session(session)]
        notes = [
            *_describe_strays(session.strays),
            *(
                f"The recording is incomplete: {problem}. This page covers the rest."
                for problem in data.problems
            ),
            *(f"{remark[0].upper()}{remark[1:]}." for remark in data.remarks),
        ]
        lines = [f"<p class=warning>{escape(text)}</p>" for text in notes]
        models = [
            f"<p class=note>{escape(text)}</p>"
            for text in describe_models(session, data.recording.about)
        ]
        return "\n".join(["<h2>Results</h2>", *results, *lines, *models])


def describe_session(session: SessionSeries) -> list[str]:
    """Sentences about a session: what was seen, then how calm the person was.

    Example:
        ``One face for 98 % of 15.7 s; mostly neutral (share of frames 61 %, ...), ...``
        ``How calm: unknown, because there was no heart rate or skin conductance.``
    """
    seen = list(_describe_faces(session))
    calm = list(_describe_calmness(session))
    if not seen and not session.sampled and not session.measured:
        return ["No person was seen or measured."]
    return [*seen, *calm]


def _describe_faces(session: SessionSeries) -> Iterator[str]:
    named = {picture.stream for picture in session.pictures}
    several = sum(bool(summary.frames) for summary in session.streams.values()) > 1
    for stream, summary in session.streams.items():
        if not summary.frames:
            continue
        text = (
            _describe_pictures(summary)
            if stream in named
            else _describe_stream(stream, summary, session)
        )
        yield f"{stream}: {text[0].lower()}{text[1:]}" if several else text


def _describe_stream(stream: str, summary: StreamSummary, session: SessionSeries) -> str:
    length = format_duration(session.seen_seconds(stream))
    if not summary.frames_with_face:
        return f"No face in {summary.frames} frames of {length}."
    most = session.most_faces[stream]
    who = "One face" if most == 1 else f"Up to {most} faces at a time"
    seen = percent(summary.frames_with_face / summary.frames)
    again = most == 1 and summary.tracks > 1
    lost = f", lost and found again {summary.tracks - 1} times" if again else ""
    tracks = f", in {summary.tracks} tracks" if not again and summary.tracks > most else ""
    return (
        f"{who} for {seen} of {length}{lost}{tracks}{_describe_expressions(summary.expressions)}"
        f"{_describe_doubts(summary)}"
    )


def _describe_pictures(summary: StreamSummary) -> str:
    return (
        f"{summary.frames} pictures, each analysed on its own: {summary.frames_with_face} of them "
        f"show a face, {summary.faces} faces in total{_describe_expressions(summary.expressions)}"
    )


def _describe_expressions(figures: ExpressionFigures) -> str:
    """The end of a sentence, and another one, about the expressions of faces."""
    affect = figures.affect()
    if affect is None:
        return "; none of them has a result."
    first, *others = [one for one in figures.by_share() if one.share_of_frames][:MAX_EXPRESSIONS]
    more = ", ".join(
        f"{one.label} ({percent(one.share_of_frames)}, {percent(one.mean_probability)})"
        for one in others
    )
    return (
        f"; mostly {first.label} ({SHARE_OF_FRAMES} {percent(first.share_of_frames)}, "
        f"{MEAN_PROBABILITY} {percent(first.mean_probability)}){f', then {more}' if more else ''}. "
        f"Mean valence {signed(affect.valence)}, mean arousal {signed(affect.arousal)}, "
        "both from \N{MINUS SIGN}1 to 1."
    )


def _describe_doubts(summary: StreamSummary) -> str:
    """Another sentence about the share of unreliable expressions."""
    signs = summary.signs
    if not signs.doubted:
        return ""
    ordered = Counter(signs.doubts).most_common(MAX_DOUBTS)
    names = dict(DOUBT_WORDS.items())
    reasons = ", ".join(
        f"{names.get(name, name)} {percent(signs.share_of_faces(n))}"  # type: ignore[call-overload]
        for name, n in ordered
    )
    return (
        f" In {percent(signs.share_of_faces(signs.doubted))} of the frames with a face the "
        f"expression should not be trusted: {reasons}."
    )


def _describe_calmness(session: SessionSeries) -> Iterator[str]:
    by_subject: Counter[str] = Counter(
        state.subject for state in session.states if state.subject in session.measured
    )
    for name, _ in by_subject.most_common():  # the person with the most states comes first
        states = [state for state in session.states if state.subject == name]
        yield _describe_person(sum_up_calmness(name, states), session)
    unused = sorted(session.sampled - session.measured)
    if unused:
        names = ", ".join(unused)
        whose = (
            "" if unused == [USUAL_SUBJECT] else f" {names} {'was' if len(unused) == 1 else 'were'}"
        )
        why = (
            "could not be used"
            if session.states
            else "not turned into a state: no fusion process ran beside the sensors"
        )
        yield f"How calm{whose}: unknown. Signals were recorded, but {why}."
    elif not by_subject and session.streams and not session.pictures:
        yield "How calm: unknown, because there was no heart rate or skin conductance."


def _describe_person(found: Calmness, session: SessionSeries) -> str:
    """How calm a person was, or why that is unknown."""
    whose = "" if found.subject == USUAL_SUBJECT else f" {found.subject} was"
    simulated = " The signals were simulated: no person was measured." if session.synthetic else ""
    if found.median is None:
        return (
            f"How calm{whose}: unknown. {_capitalize(_list_reasons(found))}. Nervousness, {INDEX} "
            f"(0 to 100), has a mean quality of {percent(found.quality)}; it is reported at "
            f"{percent(LEAST_QUALITY)} or more.{simulated}"
        )
    high = (
        f"above {HIGH:.0f} for {percent(found.high_share)} of the time"
        if found.high_share
        else f"never above {HIGH:.0f}"
    )
    cause = _describe_marker_before(found.highest_at, session.markers)
    what = (
        f"Nervousness, {INDEX} (0: as at rest, 100: as under stress), had a median of "
        f"{found.median:.0f} and was {high}. The highest was {found.highest:.0f}, at "
        f"{format_clock(found.highest_at, session)}{cause}."
    )
    share = VALIDATION.get(found.signals & {"heart", "skin"})
    valid = (
        f" Validated on 17 people: it put stress above rest in {share} of 100 cases (chance: 50)."
        if share
        else ""
    )
    band = name_band(found.median)
    if found.known_share < ENOUGH:
        return (
            f"How calm{whose}: known for only {percent(found.known_share)} of the time, and then "
            f"mostly {band}. In the rest: {_list_reasons(found, of='it')}. "
            f"{what}{valid}{simulated}"
        )
    rest = 1 - found.known_share
    lacking = (
        f" Not known for {percent(rest)} of the time: {_list_reasons(found, of='it')}."
        if rest >= 0.005
        else ""
    )
    return (
        f"How calm{whose}: mostly {band}. {what} Mean quality {percent(found.quality)}."
        f"{lacking}{valid}{simulated}"
    )


def _list_reasons(found: Calmness, *, of: str = "the time") -> str:
    """The reasons for low quality, such as ``baseline too short (95 % of the time)``."""
    listed = [
        f"{_word_reason(reason)} ({percent(share)} of {of})"
        for reason, _, share in found.reasons[:MAX_REASONS]
    ]
    return "; ".join(listed) or "for an unknown reason"


def _capitalize(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _word_reason(reason: str) -> str:
    signal, colon, rest = reason.partition(": ")
    if colon and "_" in signal:
        return f"{describe_quantity(signal).title.lower()}: {rest}"
    return REASON_WORDS.get(reason, reason)


def _describe_marker_before(at: int, markers: list[Marker]) -> str:
    before = [m for m in markers if 0 <= at - m.at <= NEAR_S * 1e9]
    if not before:
        return ""
    last = before[-1]
    return f", {(at - last.at) / 1e9:.0f} s after “{last.label}”"


def _describe_strays(strays: list[Marker]) -> Iterator[str]:
    if not strays:
        return
    named = ", ".join(
        f"“{marker.label}” at {format_date(marker.at)}" for marker in strays[:MAX_STRAYS]
    )
    more = f" and {len(strays) - MAX_STRAYS} more" if len(strays) > MAX_STRAYS else ""
    yield (
        f"Not on the time axis, because their times are far outside the recording: {named}{more}. "
        "Perhaps a tool sent seconds instead of nanoseconds, or its clock is wrong."
    )


def name_band(nervousness: float) -> str:
    """Name of the band of a nervousness value from 0 to 100."""
    return next(word for end, word in BANDS if nervousness < end)
