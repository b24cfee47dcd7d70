"""Each emotion's two figures, as a table: the same ones as in ``session.json``."""

from html import escape
from typing import Final, Literal

from affectline.common.labels import LABELS
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.sessions.expression_figures import MEAN_PROBABILITY, SHARE_OF_FRAMES
from affectline.services.sessions.stream_stats import StreamSummary

EXPLANATION: Final = (
    f"<p class=note>{SHARE_OF_FRAMES.capitalize()}: of the frames that show a face with a result "
    "(a frame with two faces counts once for each), those labelled so. "
    f"{MEAN_PROBABILITY.capitalize()}: over the same frames. Both go by the probabilities smoothed "
    "over half a second.</p>"
)


class ExpressionsSettings(SectionSettings):
    """Settings of the table of expressions."""

    section: Literal["expressions"] = "expressions"


class ExpressionsSection(Section):
    """Shows share of the frames and mean probability of each emotion."""

    settings_model = ExpressionsSettings
    order = 15

    def render(self, data: ReportData) -> str:
        streams = {
            name: summary
            for name, summary in data.session.streams.items()
            if summary.expressions.faces
        }
        if not streams:
            return ""
        names = "".join(f"<th colspan=2>{escape(name)}" for name in streams)
        heads = f"<th>{SHARE_OF_FRAMES}<th>{MEAN_PROBABILITY}" * len(streams)
        rows = [_format_row(label, list(streams.values())) for label in LABELS]
        return "\n".join([
            "<h2>Expressions</h2>\n<div class=wide><table class=figures>",
            f"<tr><th>{names}</tr>\n<tr><th>{heads}</tr>", *rows,
            "</table></div>", EXPLANATION,
        ])  # fmt: skip


def _format_row(label: str, streams: list[StreamSummary]) -> str:
    figures = [summary.expressions for summary in streams]
    cells = "".join(
        f"<td>{one.share_of_frames()[label]:.1%}<td>{one.mean_probability()[label]:.1%}"
        for one in figures
    )
    return f"<tr><td>{label}{cells}</tr>"
