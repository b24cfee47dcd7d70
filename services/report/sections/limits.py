"""What the report cannot tell."""

from typing import Final, Literal

from affectline.services.report.section import ReportData, Section, SectionSettings

BODY: Final = """Nervousness is a bodily arousal that goes with threat or effort; warmth, movement,
coffee and illness raise heart rate and skin conductance too. """
TEXT: Final = """Expressions are not feelings. This page is no medical finding, and none on which
to decide about anybody."""


class LimitsSettings(SectionSettings):
    """Settings of the limits."""

    section: Literal["limits"] = "limits"


class LimitsSection(Section):
    """States what must not be concluded from a report."""

    settings_model = LimitsSettings
    order = 90

    def render(self, data: ReportData) -> str:
        body = BODY if data.session.measured else ""
        return f"<h2>What it does not say</h2>\n<p>{body}{TEXT}</p>"
