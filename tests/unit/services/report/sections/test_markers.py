"""What each marker changed: words, faces, small charts on the same scales."""

import re

import pytest

from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.report.section import ReportData
from affectline.services.report.sections.markers import (
    MAX_CHARTS,
    MarkersSection,
    MarkersSettings,
    mostly_shown,
)
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording


def render(packets: list[Packet], about: dict[str, str] | None = None, **settings: object) -> str:
    data = ReportData(Recording("a", lambda: packets, about or {}), read_series(packets))
    return MarkersSection(MarkersSettings.model_validate(settings)).render(data)


def sad_from(second: int) -> list[Packet]:
    """The recording, but with a sad face from a moment on."""
    found: list[Packet] = []
    for packet in recording():
        message = packet.message
        if isinstance(message, Emotion) and message.captured_at >= START + second * SECOND:
            faces = tuple(
                face.model_copy(
                    update={"label": "sad", "probabilities": (0.1, 0, 0, 0.1, 0.7, 0, 0.1)}
                )
                for face in message.faces
            )
            found.append(Packet(message.model_copy(update={"faces": faces})))
        else:
            found.append(packet)
    return found


def test_the_table_tells_what_was_shown_before_and_after() -> None:
    html = render(sad_from(30))
    (row,) = re.findall("<tbody>(<tr>.*?</tr>)", html)
    assert "&lt;hard&gt; braking <small>km/h 63.5</small>" in row
    assert "<td>0:30</td>" in row
    assert re.findall("</i>([a-z]+)</td>", row) == ["happy", "sad"]
    assert re.findall(r"<td>(\d+)\N{NO-BREAK SPACE}%</td>", row) == ["100", "40", "100", "70"]
    for head in ("in the 5 s before", "in the 15 s after"):
        assert head in html
    assert html.count("share of frames") == 2
    assert html.count("mean probability") == 2


def test_a_label_and_its_figures_are_those_of_the_largest_face() -> None:
    session = read_series(sad_from(30))
    found = mostly_shown(session, "drive", START + 25 * SECOND, START + 40 * SECOND)
    assert found is not None
    assert found[0] == "sad"
    assert found[1] == pytest.approx(8 / 12)
    assert found[2] == pytest.approx((4 * 0.1 + 8 * 0.7) / 12)
    assert mostly_shown(session, "drive", START - SECOND, START) is None
    assert mostly_shown(session, "rear", START, START + SECOND) is None


def test_signals_are_drawn_around_each_marker_on_the_same_scales() -> None:
    later = Marker(session="s", at=START + 50 * SECOND, label="later")
    html = render([*recording(), Packet(later)])
    assert html.count("<article>") == 2
    assert html.count("<b>Valence and arousal</b>") == 2
    for title in ("Heart rate", "Nervousness"):
        axes = re.findall(rf'<b>{title}</b>.*?(data-low="[^"]*" data-high="[^"]*")', html)
        assert len(axes) == 2
        assert len(set(axes)) == 1
    assert "<h4>1 \N{MIDDLE DOT} &lt;hard&gt; braking <small>0:30</small></h4>" in html
    assert html.count("<img alt=") == 2


def test_faces_can_be_left_out_and_their_absence_is_explained() -> None:
    without = render(recording(), faces=False)
    assert "<img" not in without
    assert "--record" not in without
    blurred = render(recording(), {"privacy": "features"})
    assert "<img" not in blurred
    assert "No faces were recorded at the markers." in blurred


def test_hundreds_of_markers_do_not_make_hundreds_of_charts() -> None:
    many = [
        Packet(Marker(session="s", at=START + i * SECOND // 10, label=f"event {i}"))
        for i in range(400)
    ]
    html = render([*recording(), *many])
    assert html.count("<article>") == MAX_CHARTS
    assert "371 more markers are not drawn" in html
    assert "101 more markers are in markers.csv" in html


def test_annotations_are_listed() -> None:
    one = Annotation(begin_s=12, end_s=75, label="<phone> rang", is_excluded=True)
    packets = [p for p in recording() if not isinstance(p.message, Marker)]
    data = ReportData(Recording("a", lambda: packets), read_series(packets), annotations=(one,))
    html = MarkersSection(MarkersSettings()).render(data)
    assert "<td>a</td><th scope=row class=text>&lt;phone&gt; rang (left out)</th>" in html
    assert "<td>0:12.0</td><td>1:15.0</td>" in html
    assert "By marker" not in html


def test_without_markers_there_is_nothing() -> None:
    assert render([p for p in recording() if not isinstance(p.message, Marker)]) == ""
