"""The pictures of a folder, each with its faces: they have no time axis."""

from collections.abc import Iterator
from html import escape
from typing import Final, Literal

from affectline.common.vision.sign_words import describe_doubts
from affectline.common.wire.messages import FaceEmotion
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.sessions.timeseries import PictureResult

HEAD: Final = (
    "<h2>Pictures</h2>\n<div class=wide><table>"
    "<tr><th>picture<th>expression<th>probability<th>valence<th>arousal</tr>"
)
MAX_ROWS: Final = 2000
"""More rows than this no browser scrolls well; the tables of the session have them all."""


class PicturesSettings(SectionSettings):
    """Settings of the list of pictures."""

    section: Literal["pictures"] = "pictures"


class PicturesSection(Section):
    """Lists the pictures of a folder, with what each face shows."""

    settings_model = PicturesSettings
    order = 20

    def render(self, data: ReportData) -> str:
        rows = [row for picture in data.session.pictures for row in _format_rows(picture)]
        if not rows:
            return ""
        more = len(rows) - MAX_ROWS
        rest = f"<p class=note>{more} more rows are in emotions.csv.</p>" if more > 0 else ""
        return "\n".join([HEAD, *rows[:MAX_ROWS], "</table></div>", rest])


def _format_rows(picture: PictureResult) -> Iterator[str]:
    """A row of the table for each face; one that says why, where there is none."""
    name = f"<td>{escape(picture.file)}"
    if not picture.faces:
        why = "no face" if picture.missing is None else f"not analysed: {picture.missing}"
        yield f"<tr>{name}<td class=none>{why}<td><td><td></tr>"
    for face in sorted(picture.faces, key=lambda one: one.box[0]):
        yield f"<tr>{name}{_format_face(face)}</tr>"


def _format_face(face: FaceEmotion) -> str:
    if face.label is None or face.confidence is None:
        return f"<td class=none>no result: {face.missing or 'unknown'}<td><td><td>"
    figures = "".join(
        "<td>" if value is None else f"<td>{value:+.2f}" for value in (face.valence, face.arousal)
    )
    doubts = f" ({describe_doubts(face.doubts)})" if face.doubts else ""
    return f"<td>{face.label}{doubts}<td>{face.confidence:.1%}{figures}"
