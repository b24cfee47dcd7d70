import re

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, Packet
from affectline.services.report.sections.chart import draw_chart
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.timeseries import SessionSeries, read_series
from tests.recordings import SECOND, START, frame, recording


def titles(html: str) -> list[str]:
    return [
        re.sub("<.*?>", "", title) for title in re.findall("<figcaption>(<b>.*?</b>[^<]*)", html)
    ]


def test_every_signal_has_a_row_with_its_unit() -> None:
    assert titles(draw_chart(read_series(recording()))) == [
        "Nervousness of anna: stress index from heart and skin, 0 to 100",
        "Expression of the face: probability of each emotion, %",
        "Valence and arousal of the face, \N{MINUS SIGN}1 to 1", "Heart rate of anna, bpm",
    ]  # fmt: skip


def test_the_layers_of_an_expression_are_named_once() -> None:
    html = draw_chart(read_series(recording()))
    for label in LABELS:
        assert html.count(f"</i>{label}</li>") == 1
    assert "mean happy 40" in html
    assert 'data-low="0" data-high="100"' in html


def test_a_heart_rate_has_an_axis_of_20_bpm_or_more() -> None:
    steady = [
        packet for packet in recording() if (packet.message.event_time or 0) < START + 20 * SECOND
    ]
    html = draw_chart(read_series(steady))
    heart = html[html.index("Heart rate of anna") :]
    low, high = re.findall(r'data-low="([\d.]+)" data-high="([\d.]+)"', heart)[0]
    assert float(high) - float(low) >= 20


def test_nervousness_of_a_low_quality_is_hatched() -> None:
    assert "hatch" not in draw_chart(read_series(recording(quality=0.9))).lower()
    html = draw_chart(read_series(recording(quality=0.3)))
    assert 'class="hatch"' in html[: html.index("Expression of the face: ")]
    assert "because its quality was below 50%" in html


def test_annotations_and_markers_are_shown() -> None:
    annotation = Annotation(begin_s=10, end_s=20, label="<phone>", is_excluded=True)
    html = draw_chart(read_series(recording()), [annotation])
    assert 'title="&lt;phone&gt; (left out)"' in html
    assert 'title="&lt;hard&gt; braking">1</span>' in html
    assert "Shaded parts are annotations" in html
    assert "Shaded" not in draw_chart(read_series(recording()))


def test_films_that_begin_at_other_times_share_one_axis() -> None:
    def of_stream(name: str, later_s: int) -> list[Packet]:
        return [
            Packet(p.message.model_copy(update={
                "stream": name, "captured_at": p.message.captured_at + later_s * SECOND,
            }))
            for index in range(1, 4) for p in frame(index) if isinstance(p.message, Emotion)
        ]  # fmt: skip

    html = draw_chart(read_series([*of_stream("front", 0), *of_stream("rear", 20)], START))
    assert html.count("data-first=") == 1
    assert html.count("class=row") == 4
    for stream in ("front", "rear"):
        assert f"Valence and arousal of the face in {stream}" in html
    assert "nervousness" not in html.lower()


def test_an_empty_session_has_no_curves() -> None:
    assert draw_chart(SessionSeries()) == "<p>Nothing that changes over time was recorded.</p>"


def test_a_long_session_has_hours_on_its_axis() -> None:
    late = [
        Packet(p.message.model_copy(update={"captured_at": START + 4000 * SECOND, "seq": 900}))
        for p in frame(1)
    ]
    html = draw_chart(read_series([*recording(), *late]))
    assert ">1:00:00</span>" in html
