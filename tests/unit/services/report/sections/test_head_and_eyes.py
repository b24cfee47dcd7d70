"""What the head and the eyes did, as a section of the report."""

import re

from affectline.common.wire.messages import Emotion, Packet
from affectline.services.report.page import render_page
from affectline.services.report.section import ReportData, make_sections
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import read_series
from tests.recordings import recording
from tests.signed_sessions import signed_session, signs_at

TITLE = "What the head and the eyes did"

SLASH = '"shape":"\\u002f"'
"""Shape of what plotly hatches."""


def page(packets: list[Packet]) -> str:
    data = ReportData(Recording("drive", lambda: packets, {}), read_series(packets))
    return render_page(data, make_sections())


def table_of(html: str) -> dict[str, str]:
    rows = re.findall(r"<tr><td>(?:&emsp;)?(.*?)<td>(.*?)</tr>", html[html.index(TITLE) :])
    return dict(rows)


def test_figures_and_reasons_are_told() -> None:
    html = page(signed_session())
    cells = table_of(html)
    assert cells["blinks"] == "14 in 56 s of seen eyes, 15.0 a minute, median 160 ms"
    assert cells["PERCLOS"] == "mean 4.0%, at most 4.0%"
    assert cells["gaze"] == "ahead 80%, to their left 20%"
    assert cells["eyes unknown"] == "looking down, which lowers open lids 6.7%"
    assert cells["doubtful frames"] == "28.3%"
    assert (cells["speaking"], cells["dark"], cells["blurred"]) == ("13.3%", "8.3%", "3.3%")
    assert cells["drowsiness, 0 to 100"].startswith("mean 29, at most 36")
    assert cells["looks away"] == "mean 17% of a minute, at most 30%; longest look 2.4 s"
    assert "90%: the eyes were not seen for 6 s of 60" in html


def test_it_says_what_was_not_validated() -> None:
    html = page(signed_session())
    assert "<strong>Not validated:</strong>" in html
    words = " ".join(html[html.index(TITLE) :].split())
    for missing in ("never tried on drowsy people", "never on drivers", "Gaze is not calibrated"):
        assert missing in words


def test_curves_blinks_and_doubts_are_drawn() -> None:
    html = page(signed_session())
    drawn = html[html.index(TITLE) :]
    for title in (
        "Head in drive, degrees", "Opening of the eyes in drive, and blinks", "PERCLOS in drive",
        "Reasons to doubt the emotion in drive", "Drowsiness of anna", "Looks away of anna",
    ):  # fmt: skip
        assert title in drawn
    assert drawn.count("line-ns-open") == 1
    assert '"dash":"dash"' in drawn
    assert html.count("/**\n* plotly.js") == 1, "the library is there once"


def test_doubtful_stretches_of_the_expression_are_hatched() -> None:
    html = page(signed_session())
    chart = html[html.rindex("<h2>Over time") : html.index(TITLE)]
    assert SLASH in chart
    (xs,) = re.findall(r'"x":(\[[^\]]*\]),"y":\[0\.0,1\.0', chart)
    assert xs.startswith("[10.0,10.0,18.0,18.0,10.0,null,30.0,30.0,34.0,34.0,30.0,null,45.0")


def test_without_landmarks_there_is_no_section() -> None:
    html = page(recording())
    assert TITLE not in html
    assert SLASH not in html[html.rindex("<h2>Over time") :]


def test_without_eyes_there_is_nothing_about_them() -> None:
    eyes = [name for name in signs_at(0) if name.startswith(("eye", "perclos", "gaze", "blink"))]

    def without_eyes(packet: Packet) -> Packet:
        message = packet.message
        if isinstance(message, Emotion):
            faces = tuple(f.model_copy(update=dict.fromkeys(eyes)) for f in message.faces)
            return Packet(message.model_copy(update={"faces": faces}))
        return Packet(message.model_copy(update={"drowsiness": None}))

    cells = table_of(page([without_eyes(packet) for packet in signed_session()]))
    assert not {"blinks", "PERCLOS", "gaze", "eyes unknown", "drowsiness, 0 to 100"} & set(cells)
    assert {"doubtful frames", "looks away"} <= set(cells)
