"""What the report cannot tell."""

from typing import Final, Literal

from affectline.services.report.section import ReportData, Section, SectionSettings

TEXT: Final = """<h2>What it does not say</h2>
<p>Nervousness is a bodily arousal that goes with threat or effort; warmth, movement, coffee and
illness raise heart rate and skin conductance too. Expressions are not feelings. This page is no
medical finding, and none on which to decide about anybody.</p>"""


class LimitsSettings(SectionSettings):
    """Settings of the limits."""

    section: Literal["limits"] = "limits"


class LimitsSection(Section):
    """States what must not be concluded from a report."""

    settings_model = LimitsSettings
    order = 90

    def render(self, data: ReportData) -> str:
        return TEXT
