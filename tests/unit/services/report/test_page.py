import re
import time
from typing import Any

import pytest

from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
from affectline.services.report.page import render_page
from affectline.services.report.section import ReportData, make_sections
from affectline.services.report.sections.narrative import describe_origin, describe_session
from affectline.services.sessions.marker_responses import marker_responses
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import SessionSeries, read_series
from tests.recordings import SECOND, START, frame, recording


def page(name: str, packets: list[Packet], about: dict[str, Any] | None = None) -> str:
    data = ReportData(Recording(name, lambda: packets, about or {}), read_series(packets))
    return render_page(data, make_sections())


def test_the_page_needs_no_network_and_shows_everything() -> None:
    html = page("a & b", recording())
    body = html[html.rindex("</script>") :]
    assert '"ticksuffix":" s"' in html, "seconds of the session"
    assert "<title>a &amp; b</title>" in html
    assert 'src="http' not in html
    assert "&lt;hard&gt; braking" in body
    assert "<hard>" not in body
    assert "data:image/jpeg;base64," in body
    assert "<td>anna heart rate<td>66 /min" in body
    assert "km/h 63.5" in body


def test_a_page_says_when_and_how_it_was_recorded() -> None:
    session = read_series(recording())
    about = {"model": "vgg16-48@1", "privacy": "everything", "settings": {}}
    note = describe_origin(session, about)
    day = time.strftime("%Y-%m-%d", time.localtime(START / 1e9))
    assert note.startswith(f"Begins {day} ")
    assert note.endswith(", model vgg16-48@1, privacy everything")
    assert f"<p class=note>{note}</p>" in page("a", recording(), about)
    assert describe_origin(SessionSeries(), {}) == ""
    title = page("a", recording(), about).partition("<h1>")[2].partition("</h1>")[0]
    assert title.startswith(f"<strong>a</strong> \N{MIDDLE DOT} {day} ")
    assert title.endswith(" \N{MIDDLE DOT} 59.8 s")


@pytest.mark.parametrize("factor", [1_000_000_000, 1_000_000, 1_000])
def test_a_marker_whose_time_is_decades_off_does_not_stretch_the_axis(factor: int) -> None:
    wrong = [
        Marker(session="s", at=(START + i * SECOND) // factor, label=f"in seconds {i}")
        for i in range(5)
    ]
    early = Marker(session="s", at=START - 20 * SECOND, label="before all else")
    packets = [*map(Packet, wrong), *recording(), Packet(early)]
    session = read_series(packets)
    assert session.first == START - 20 * SECOND
    assert session.seconds == pytest.approx(79.75)
    assert session.strays == wrong
    words = describe_session(session)
    assert "Over 1 min 20 s, anna" in words[0]
    assert "Not on the time axis" in words[-1]
    assert "“in seconds 0” at 1970-01-" in words[-1]
    assert words[-1].count("in seconds") == 3
    assert "and 2 more." in words[-1]
    rows = list(marker_responses(session.markers, session.series.values()))
    html = page("x", packets)
    body = html[html.rindex("</script>") :]
    assert html.count('"dash":"dot"') == 2
    assert "before all else" in html[: html.rindex("</script>")]
    assert "in seconds" not in html[html.index('"annotations"') : html.rindex("</script>")]
    assert body.count("not on the time axis<br>in seconds") == 5
    assert "<td>in seconds 4<td>anna heart rate<td class=none>not measured" in body
    assert len([row for row in rows if row.marker.startswith("in seconds")]) == 10


def test_an_empty_session_is_a_page_too() -> None:
    html = page("nothing", [])
    assert "Nothing that changes over time" in html


def test_pictures_are_listed_and_have_no_time_axis() -> None:
    emotion = frame(1)[1].message
    assert isinstance(emotion, Emotion)
    unseen = emotion.faces[0].model_copy(
        update={"label": None, "confidence": None, "probabilities": None, "missing": "unanswered"}
    )
    doubted = emotion.faces[0].model_copy(update={"doubts": ("dark", "covered")})
    start = StreamStart(
        stream="drive", epoch=1, started_at=START, received_at=START, session_start=START,
        source="photos", kind="pictures", live=False,
    )  # fmt: skip
    pictures = [
        emotion.model_copy(update={"seq": i, "file": file, "faces": faces, "missing": missing})
        for i, (file, faces, missing) in enumerate([
            ("a/<one>.jpg", emotion.faces * 2, None), ("b.jpg", (), None), ("c.jpg", (), "invalid"),
            ("d.jpg", (unseen,), None), ("e.jpg", (doubted,), None),
        ])
    ]  # fmt: skip
    html = page("photos", [Packet(start), *map(Packet, pictures)])
    rows = re.findall("<tr><td>.*</tr>", html)
    rows = [row for row in rows if "jpg" in row]
    assert rows[:2] == ["<tr><td>a/&lt;one&gt;.jpg<td>happy<td>40.0%<td>+0.13<td>+0.40</tr>"] * 2
    for text in (
        "drive is 5 pictures, each looked at by itself: 3 of them show a face, 4 faces in all",
        "<td>b.jpg<td class=none>no face", "<td>c.jpg<td class=none>not analysed: invalid",
        "<td>d.jpg<td class=none>no result: unanswered",
        "<td>e.jpg<td>happy (doubt: dark, covered)<td>40.0%",
    ):  # fmt: skip
        assert text in html
    assert "Over time" not in html
    assert "plotly" not in html
