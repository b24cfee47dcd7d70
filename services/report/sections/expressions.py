"""A table of each emotion's two figures, the same as in ``session.json``."""

from html import escape
from typing import Final, Literal

from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.words import percent
from affectline.services.sessions.expression_figures import MEAN_PROBABILITY, SHARE_OF_FRAMES
from affectline.services.sessions.stream_stats import StreamSummary

EXPLANATION: Final = (
    f"<p class=note>{SHARE_OF_FRAMES.capitalize()}: share with this label of the frames that have "
    f"a face and a result (a frame with two faces counts twice). "
    f"{MEAN_PROBABILITY.capitalize()}: over the same frames. Both use probabilities smoothed "
    f"over half a second.</p>"
)


class ExpressionsSettings(SectionSettings):
    """Settings of the table of expressions."""

    section: Literal["expressions"] = "expressions"


class ExpressionsSection(Section):
    """Shows share of frames and mean probability of each emotion."""

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
        first = next(iter(streams.values()))
        order = [one.label for one in first.expressions.by_share()]
        rows = [_format_row(label, list(streams.values())) for label in order]
        return "\n".join([
            '<h2>By emotion</h2>\n<div class=wide tabindex=0 role=region aria-label="By emotion">'
            f"<table class='figures{' single' * (len(streams) == 1)}'>",
            f"<thead>{_heads(list(streams))}</thead><tbody>", *rows,
            "</tbody></table></div>", EXPLANATION,
        ])  # fmt: skip


def _heads(streams: list[str]) -> str:
    pair = f"<th scope=col>{SHARE_OF_FRAMES}</th><th scope=col>{MEAN_PROBABILITY}</th>"
    if len(streams) == 1:
        return f"<tr><th scope=col>emotion</th>{pair}</tr>"
    names = "".join(f"<th scope=colgroup colspan=2>{escape(name)}</th>" for name in streams)
    return f"<tr><th scope=col rowspan=2>emotion</th>{names}</tr>\n<tr>{pair * len(streams)}</tr>"


def _format_row(label: str, streams: list[StreamSummary]) -> str:
    cells = "".join(
        _cell(one.expressions.share_of_frames()[label], label)
        + _cell(one.expressions.mean_probability()[label], label)
        for one in streams
    )
    swatch = f'<i class=area style="--c:var(--{label})"></i>'
    return f"<tr><th scope=row>{swatch}{label}</th>{cells}</tr>"


def _cell(share: float, label: str) -> str:
    bar = f'<i class=bar style="--c:var(--{label});--s:{share:.4f}"></i>'
    return f"<td class=share>{bar}<b>{percent(share, 1)}</b></td>"
