"""The pictures of a folder with their faces; pictures have no time axis."""

from collections.abc import Iterator
from html import escape
from typing import Final, Literal

from affectline.common.vision.sign_words import describe_doubts
from affectline.common.wire.messages import FaceEmotion
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.words import percent, signed
from affectline.services.sessions.timeseries import PictureResult

HEAD: Final = (
    "<h2>Pictures</h2>\n<div class=wide tabindex=0 role=region aria-label=Pictures><table><thead>"
    "<tr><th scope=col class=text>picture</th><th scope=col class=text>expression</th>"
    "<th scope=col>probability</th><th scope=col>valence</th><th scope=col>arousal</th>"
    "</tr></thead><tbody>"
)
MAX_ROWS: Final = 2000
"""Browsers scroll longer tables badly; the session's tables have all rows."""


class PicturesSettings(SectionSettings):
    """Settings of the list of pictures."""

    section: Literal["pictures"] = "pictures"


class PicturesSection(Section):
    """Lists the pictures of a folder with the expression of each face."""

    settings_model = PicturesSettings
    order = 20

    def render(self, data: ReportData) -> str:
        rows = [row for picture in data.session.pictures for row in _format_rows(picture)]
        if not rows:
            return ""
        more = len(rows) - MAX_ROWS
        rest = f"<p class=note>{more} more rows are in emotions.csv.</p>" if more > 0 else ""
        return "\n".join([HEAD, *rows[:MAX_ROWS], "</tbody></table></div>", rest])


def _format_rows(picture: PictureResult) -> Iterator[str]:
    """Table rows of a picture: one per face, or one with the reason if there is none."""
    name = f"<th scope=row class=text>{escape(picture.file)}</th>"
    if not picture.faces:
        why = "no face" if picture.missing is None else f"not analysed: {picture.missing}"
        yield f"<tr>{name}<td class='none text'>{why}</td><td></td><td></td><td></td></tr>"
    for face in sorted(picture.faces, key=lambda one: one.box[0]):
        yield f"<tr>{name}{_format_face(face)}</tr>"


def _format_face(face: FaceEmotion) -> str:
    if face.label is None or face.confidence is None:
        why = face.missing or "unknown"
        return f"<td class='none text'>no result: {why}</td><td></td><td></td><td></td>"
    figures = "".join(
        f"<td>{'' if value is None else signed(value)}</td>"
        for value in (face.valence, face.arousal)
    )
    doubts = f" ({describe_doubts(face.doubts)})" if face.doubts else ""
    swatch = f'<i class=area style="--c:var(--{face.label})"></i>'
    return (
        f"<td class=text>{swatch}{face.label}{doubts}</td>"
        f"<td>{percent(face.confidence, 1)}</td>{figures}"
    )
