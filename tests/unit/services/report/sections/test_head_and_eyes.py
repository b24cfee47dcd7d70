"""What the head and the eyes did, as a section of the report."""

import re

from affectline.common.wire.messages import Emotion, Packet
from affectline.services.report.page import render_page
from affectline.services.report.section import ReportData, make_sections
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import read_series
from tests.recordings import recording
from tests.signed_sessions import signed_session, signs_at

TITLE = "<h2>Head and eyes</h2>"
SPACE = "\N{NO-BREAK SPACE}"


def page(packets: list[Packet]) -> str:
    data = ReportData(Recording("drive", lambda: packets, {}), read_series(packets))
    return render_page(data, make_sections())


def table_of(html: str) -> dict[str, str]:
    pattern = r"<tr><th scope=row(?: class=part)?>(.*?)</th><td>(.*?)</td></tr>"
    return {
        name: cell.replace(SPACE, "")
        for name, cell in re.findall(pattern, html[html.index(TITLE) :])
    }


def test_figures_and_reasons_are_told() -> None:
    html = page(signed_session())
    cells = table_of(html)
    assert cells["blinks"] == "14 in 56 s of visible eyes, 15.0 a minute, median 160 ms"
    assert cells["PERCLOS"] == "mean 4.0%, at most 4.0%"
    assert cells["gaze"] == "ahead 80%, to their left 20%"
    assert cells["eyes unknown"] == "looking down, which lowers open lids 6.7%"
    assert cells["not to be trusted"] == "28.3% of the frames with a face"
    assert (cells["speaking"], cells["dark"], cells["blurred"]) == ("13.3%", "8.3%", "3.3%")
    assert cells["drowsiness, 0 to 100"].startswith("mean 29, at most 36")
    assert cells["looks away"] == "mean 17% of a minute, at most 30%; longest look 2.4 s"
    assert f"90{SPACE}%: the eyes were not seen for 6 s of 60" in html


def test_it_says_what_was_not_validated() -> None:
    html = page(signed_session())
    assert "<strong>Not validated:</strong>" in html
    words = " ".join(html[html.index(TITLE) :].split())
    for missing in ("never tested on drowsy people", "never on drivers", "Gaze is not calibrated"):
        assert missing in words


def test_curves_blinks_and_doubts_are_drawn() -> None:
    html = page(signed_session())
    drawn = html[html.index(TITLE) :]
    for title in (
        "Direction of the head", "Opening of the eyes", "PERCLOS: share of the last minute",
        "Why an expression is not to be trusted", "Drowsiness of anna", "Looks away of anna",
    ):  # fmt: skip
        assert f"<b>{title}" in drawn
    assert drawn.count('title="blink of 160 ms"') == 14
    assert "stroke-dasharray:6 3" in drawn
    assert "turned: from" not in drawn
    assert re.search(r"Direction of the head, degrees: turned from \N{MINUS SIGN}\d+", drawn)


def test_doubtful_stretches_of_the_expression_are_hatched() -> None:
    html = page(signed_session())
    chart = html[html.index("<h2>Over time") : html.index(TITLE)]
    stretches = re.findall(r'class="hatch" style="left:([\d.]+)%;width:([\d.]+)%', chart)
    seconds = [tuple(round(float(part) * 0.5996, 1) for part in one) for one in stretches]
    assert seconds == [(10.0, 8.0), (30.0, 4.0), (45.0, 5.0)]


def test_without_landmarks_there_is_no_section() -> None:
    html = page(recording())
    assert TITLE not in html
    assert 'class="hatch"' not in html


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
    assert {"not to be trusted", "looks away"} <= set(cells)
