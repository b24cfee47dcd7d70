"""States the limits of the report, how figures are computed, and where the session is from."""

from html import escape
from typing import Any, Final, Literal

from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.words import format_date
from affectline.services.sessions.timeseries import SessionSeries

BODY: Final = (
    "Nervousness is physical arousal, as under threat or effort; warmth, movement, coffee and "
    "illness also raise heart rate and skin conductance."
)
DECISIONS: Final = "This page is not a medical finding. Do not base decisions about a person on it."
MAPPING: Final = (
    "Valence (\N{MINUS SIGN}1 displeased to 1 pleased) and arousal (\N{MINUS SIGN}1 asleep to 1 "
    "agitated) are the mean position of the seven probabilities on Russell's circumplex, using the "
    "ratings of Russell and Mehrabian (1977, Journal of Research in Personality 11)."
)


class AboutSettings(SectionSettings):
    """Settings of the section."""

    section: Literal["about"] = "about"


class AboutSection(Section):
    """States limits, how figures are computed, and where the session is from."""

    settings_model = AboutSettings
    order = 90

    def render(self, data: ReportData) -> str:
        session = data.session
        has_faces = any(summary.expressions.faces for summary in session.streams.values())
        paragraphs = [BODY, DECISIONS] if session.measured else [DECISIONS]
        if has_faces:
            paragraphs.append(MAPPING)
        origin = describe_origin(session, data.recording.about)
        lines = [f"<p>{escape(text)}</p>" for text in paragraphs]
        return "\n".join(
            ["<h2>About this report</h2>", *lines, f"<p class=note>{escape(origin)}</p>"]
        )


def describe_origin(session: SessionSeries, about: dict[str, Any]) -> str:
    """When and how a session was recorded, as far as known."""
    zero = session.zero or about.get("session_start")
    begun = format_date(zero) if zero else ""
    study = about.get("study") or {}
    parts = {
        "Begins": begun, **study, "privacy": about.get("privacy"),
        "delivery": about.get("delivery"), "Affectline": about.get("affectline"),
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)
